"""Does a file's order hold, whatever does not fit into memory, and is there none unless a dialect asks for it?"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from offtake.engine.duckdb import Limits, Session
from offtake.engine.plan import Shown, plan
from offtake.formats import Envelope
from offtake.formats.json import JSON
from offtake.model.report import Column, ColumnType, Mark, PublishedColumn, Rendering, Report
from offtake.model.request import ExportRequest
from offtake.model.timespan import Timespan

ROWS = 280_000
TIES = 1_000
# Rows of about a kilobyte: all of them are more than the session may hold.
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


def test_a_file_is_sorted_though_its_rows_do_not_fit_into_memory(tmp_path: Path) -> None:
    query = plan(REPORT, shown("place", "row_id"), REQUEST, tenant="acme")
    file, spill = tmp_path / "file.json", tmp_path / "spill"
    with Session(Limits(threads=1, memory_mb=256, temp_folder=spill, temp_mb=2_000), [], writable=[file]) as session:
        assert JSON.write(session, query, file, envelope=Envelope()) == ROWS
    rows = [(int(row["at"]), row["id"]) for row in json.loads(file.read_text("utf-8"))]
    assert len(rows) == ROWS
    assert all(before < after for before, after in pairwise(rows))


def test_there_is_no_order_unless_somebody_asks() -> None:
    assert "ORDER BY" not in plan(REPORT, shown(), REQUEST, tenant="acme").sql
