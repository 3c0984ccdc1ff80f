"""Decimals of a report as files show them: without the noise of binary fractions, or with the places it states."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from offtake.catalogue.load import load_catalogue
from offtake.engine.plan import plan, plan_rows
from offtake.errors import CatalogueError
from offtake.model.layout import ColumnLayout
from offtake.model.report import Report
from offtake.model.request import ExportRequest
from offtake.model.timespan import Timespan

TABLES = {"sale": {"sale_id": "VARCHAR", "sold_at": "TIMESTAMP WITH TIME ZONE", "price": "DOUBLE", "tenant": "VARCHAR"}}
REPORT = """\
title = "Totals"
grain = "One row per sale."
key = ["sale_id"]
tables = [{ table = "sale", prune = "window" }]
columns = [
    { name = "sale_id", type = "id", mark = "proposed", nullable = false, meaning = "The sale." },
    { name = "total", type = "decimal", mark = "proposed", meaning = "The total."@ },
]
"""
QUERY = """\
SELECT sale_id, {total} AS total
FROM sale
WHERE sold_at >= $start AND sold_at < $end
GROUP BY sale_id
"""
WIRE = """\
slug = "totals"
title = "Totals"
columns = [{ name = "total", from = "total", as = "plain", mark = "proposed" }]
"""
DAY = Timespan(start=datetime(2026, 3, 2, tzinfo=UTC), end=datetime(2026, 3, 3, tzinfo=UTC), zone="UTC")
REQUEST = ExportRequest(dialect="talkdesk", report="totals", format="csv", timespan=DAY, name="any", account_zone="UTC")

Load = Callable[[str, str], tuple[Report, ColumnLayout]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load the report with a total and with more keys of its column."""

    def loaded(total: str, keys: str) -> tuple[Report, ColumnLayout]:
        folder = tmp_path / "totals"
        folder.mkdir()
        (folder / "report.toml").write_text(REPORT.replace("@", keys))
        (folder / "query.sql").write_text(QUERY.replace("{total}", total))
        (folder / "wire.talkdesk.toml").write_text(WIRE)
        catalogue = load_catalogue(tmp_path, tables=TABLES, dialects=("talkdesk",))
        columns = catalogue.publications["talkdesk", "totals"].columns
        return catalogue.reports["totals"], ColumnLayout(columns=columns, headers=("total",))

    return loaded


@pytest.mark.parametrize(
    ("prices", "total", "keys", "shown"),
    [
        ((0.1, 0.2), "sum(price)", "", "0.3"),
        ((1234567.1, 0.3, 0.6), "sum(price)", "", "1234568.0"),
        ((0.1, 0.2, 0.3), "avg(price)", "", "0.2"),
        ((12345678901234567.0,), "sum(price)", "", "1.2345678901234568e+16"),
        ((1.0,), "sum(price) / 3", "", "0.3333333333333333"),
        ((1.0,), "sum(price) / 3", ", decimals = 2", "0.33"),
        ((2.5,), "sum(price)", ", decimals = 0", "3.0"),
        ((0.1, 0.2), "CAST(sum(price) AS DECIMAL(18, 4))", "", "0.3000"),
        ((0.1, 0.2), "CAST(sum(price) AS DECIMAL(18, 4))", ", decimals = 1", "0.3"),
    ],
)
def test_a_sum_of_decimals_is_shown_as_people_write_it(
    prices: tuple[float, ...], total: str, keys: str, shown: str, load: Load
) -> None:
    report, layout = load(total, keys)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE sale (sale_id VARCHAR, sold_at TIMESTAMPTZ, price DOUBLE, tenant VARCHAR)")
        for price in prices:
            connection.execute(
                "INSERT INTO sale VALUES ('s', '2026-03-02T10:00:00Z', $price, 'acme')", {"price": price}
            )
        query = plan(report, layout, REQUEST)
        assert connection.execute(query.sql, dict(query.values)).fetchall() == [(shown,)]
        rows = plan_rows(report, REQUEST)
        [(_, value)] = connection.execute(rows.sql, dict(rows.values)).fetchall()
        assert float(value) == float(shown)


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        (", decimals = 16", "report.toml:7: 'decimals' must be a whole number from 0 to 15"),
        (", decimals = true", "report.toml:7: 'decimals' must be a whole number from 0 to 15"),
    ],
)
def test_impossible_places_are_refused(keys: str, fault: str, load: Load) -> None:
    with pytest.raises(CatalogueError) as refused:
        load("sum(price)", keys)
    assert fault in str(refused.value)


def test_places_of_another_type_are_refused(load: Load) -> None:
    with pytest.raises(CatalogueError) as refused:
        load(
            "CAST(count(*) AS BIGINT)",
            ', decimals = 2 },\n    { name = "n", type = "integer", mark = "proposed", decimals = 0, meaning = "N."',
        )
    assert "'decimals' applies to columns of type decimal, and 'n' is integer; remove it" in str(refused.value)
