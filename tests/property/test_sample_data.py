"""The sample data fills every report, and every report agrees there with its oracle.

Random data (``test_report_rows.py``) is short and unusual; the sample data is longer, ordinary, and fills every table.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from offtake.lake.delta import Lake
from offtake.lake.tables import Table, tables
from offtake.model.column_type import ColumnType
from offtake.model.report import Prune, TableUse
from offtake.model.request import ReportParameters, Selection
from offtake.model.timespan import Timespan
from tests.fixtures.row_comparison import assert_same_rows
from tests.fixtures.sample import PLAN, Sample
from tests.fixtures.storage_paths import views_of
from tests.property.exporting import EPOCH, Stored, catalogue, microseconds
from tests.property.oracle_exports import exported
from tests.property.oracles import ORACLES
from tests.property.oracles.report_oracle import ExportCase, ReportOracle
from tests.strategies import Care, Row

END = PLAN.end
SPAN = Timespan(start=END - timedelta(days=31), end=END, zone="Europe/Lisbon")
DAY = 86_400_000  # milliseconds: the interval of reports with buckets
EVER = Timespan(start=datetime(1, 1, 1, tzinfo=UTC), end=datetime(9999, 12, 31, tzinfo=UTC), zone="UTC")


CASES = [
    pytest.param(oracle, selection, id=f"{oracle.report}-{selection.value}" if len(selections) > 1 else oracle.report)
    for oracle in ORACLES
    for selections in [tuple(Selection) if oracle.report == "conversation" else (Selection.OPEN_AT_END,)]
    for selection in selections
]


@pytest.fixture(scope="module")
def sampled(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> tuple[Stored, Care]:
    """The lake with sample data, and the same rows as Python values."""
    rows = {name: tuple(_rows(sample.lake, table)) for name, table in tables().items()}
    assert [name for name, found in rows.items() if not found] == [], "the sample data fills every table"
    here = Stored(lake=sample.lake, folder=tmp_path_factory.mktemp("exports"))
    return here, Care(tenant=PLAN.tenant, zone="Europe/Lisbon", rows=rows)


@pytest.mark.parametrize(("oracle", "selection"), CASES)
def test_the_sample_data_fills_the_report_and_the_oracle_agrees(
    oracle: ReportOracle, selection: Selection, sampled: tuple[Stored, Care]
) -> None:
    here, care = sampled
    parameters = ReportParameters(selection=selection, interval_milliseconds=DAY)
    case = ExportCase(care=care, timespan=SPAN, asked_at=END, parameters=parameters)
    with exported(here, oracle, case) as export:
        found = export.rows()
    assert found
    assert_same_rows(found, microseconds(oracle.expected_rows(case)), key=catalogue().reports[oracle.report].key)


def _rows(lake: Lake, table: Table) -> Iterator[Row]:
    """All rows of a table with instants as datetimes."""
    view = views_of(lake, [TableUse(table=table.name, prune=Prune.ALL)], tenant=PLAN.tenant, timespan=EVER)[0]
    names = [column.name for column in table.columns]
    instants = {column.name for column in table.columns if column.type is ColumnType.INSTANT}
    shown = ", ".join(f'epoch_us("{name}")' if name in instants else f'"{name}"' for name in names)
    if not view.files:
        return
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(
            f"SELECT {shown} FROM read_parquet($files, hive_partitioning = true, hive_types_autocast = false)",
            {"files": list(view.files)},
        )
        for row in found.fetchall():
            yield {name: _value(value, is_instant=name in instants) for name, value in zip(names, row, strict=True)}


def _value(value: Any, *, is_instant: bool) -> Any:
    return EPOCH + timedelta(microseconds=value) if is_instant and value is not None else value
