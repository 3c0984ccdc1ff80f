"""Does a file's order hold, whatever does not fit into memory, and is there none unless a dialect asks for it?"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from offtake.core.parts import SORTED_ROWS_PER_MEMORY_MB
from offtake.engine.duckdb import Limits, Session
from offtake.engine.plan import Shown, plan
from offtake.formats import Envelope, part_file
from offtake.formats.json import JSON
from offtake.model.report import Column, ColumnType, Mark, PublishedColumn, Rendering, Report
from offtake.model.request import ExportRequest
from offtake.model.timespan import Timespan

ROWS = 200_000
PART = 128 * SORTED_ROWS_PER_MEMORY_MB
TIES = 1_000  # rows of one place share a bound
# Rows of about a kilobyte: all of them are more than the session may hold, a part is a quarter of that.
SQL = f"""
SELECT CAST(number AS VARCHAR) AS row_id, hash(number) % {TIES} AS place,
    repeat(md5(CAST(number AS VARCHAR)), 32) AS note
FROM range({ROWS}) AS counted (number)
WHERE $tenant = 'acme' AND $start < $end
"""
SPAN = Timespan(start=datetime(2026, 3, 1, tzinfo=UTC), end=datetime(2026, 4, 1, tzinfo=UTC), zone="UTC")
REQUEST = ExportRequest(dialect="any", report="any", format="json", timespan=SPAN, name="any")


def column(name: str, kind: ColumnType) -> Column:
    return Column(name=name, type=kind, meaning="Any.", mark=Mark.PROPOSED)


REPORT = Report(
    name="any",
    title="Any",
    grain="One row per number.",
    window=None,
    key=("row_id",),
    tables=(),
    columns=(column("row_id", ColumnType.ID), column("place", ColumnType.INTEGER), column("note", ColumnType.TEXT)),
    sql=SQL,
)
# The column that is sorted by is shown as text: the sort goes by what the report has, 9 before 10.
COLUMNS = tuple(
    PublishedColumn(name=name, source=source, rendering=Rendering.PLAIN, mark=Mark.PROPOSED)
    for name, source in (("at", "place"), ("id", "row_id"), ("note", "note"))
)


def shown(*order: str) -> Shown:
    return Shown(columns=COLUMNS, headers=("at", "id", "note"), order=order)


@pytest.mark.parametrize("place", [f"hash(number) % {TIES}", "0"], ids=["many-places", "one-place"])
def test_a_file_is_sorted_though_its_rows_do_not_fit_into_memory(tmp_path: Path, place: str) -> None:
    report = replace(REPORT, sql=SQL.replace(f"hash(number) % {TIES} AS place", f"{place} AS place"))
    query = plan(report, shown("place", "row_id"), REQUEST, tenant="acme")
    file, spill = tmp_path / "file.json", tmp_path / "spill"
    with Session(
        Limits(threads=2, memory_mb=128, temp_folder=spill, temp_mb=2_000), [], writable=[file, part_file(file)]
    ) as session:
        in_order = session.sort(query, part_rows=PART)
        assert session.parts == -(-ROWS // PART)
        assert JSON.write(session, in_order, file, envelope=Envelope()) == ROWS
    rows = [(int(row["at"]), row["id"]) for row in json.loads(file.read_text("utf-8"))]
    assert len(rows) == ROWS
    assert all(before < after for before, after in pairwise(rows))


@pytest.mark.parametrize("rows", [0, 1, PART])
def test_few_rows_are_one_part(tmp_path: Path, rows: int) -> None:
    report = replace(REPORT, sql=SQL.replace(f"range({ROWS})", f"range({rows})"))
    query = plan(report, shown("place", "row_id"), REQUEST, tenant="acme")
    with Session(Limits(threads=1, memory_mb=128, temp_folder=tmp_path, temp_mb=100), []) as session:
        found = session.rows(session.sort(query, part_rows=PART))
        assert session.parts == 1
    places = [(int(row["at"]), row["id"]) for row in found]
    assert (len(places), places) == (rows, sorted(places))
    assert all(row.keys() == {"at", "id", "note"} for row in found)


def test_all_rows_in_one_place_are_not_lost(tmp_path: Path) -> None:
    report = replace(
        REPORT, sql=SQL.replace(f"% {TIES} AS place", "* 0 AS place").replace(f"range({ROWS})", "range(500)")
    )
    query = plan(report, shown("place", "row_id"), REQUEST, tenant="acme")
    with Session(Limits(threads=1, memory_mb=128, temp_folder=tmp_path, temp_mb=100), []) as session:
        in_order = session.sort(query, part_rows=100)
        found = [row["id"] for part in range(session.parts) for row in session.rows(in_order, part=part)]
    assert session.parts == 5
    assert found == sorted(map(str, range(500)))


def test_there_is_no_order_unless_somebody_asks() -> None:
    assert plan(REPORT, shown(), REQUEST, tenant="acme").order == ()
