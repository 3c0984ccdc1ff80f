"""Sorted files: the order holds for rows that exceed memory, and files are sorted only if a dialect demands it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from offtake.core.attempt.resource_plan import SORTED_BYTES_PER_MEMORY_MB
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.engine.plan import plan
from offtake.errors import AttemptInterrupted
from offtake.formats import partition_file
from offtake.formats.json import JSON
from offtake.model.column_type import ColumnType
from offtake.model.layout import ColumnLayout, Framing
from offtake.model.query import Query
from offtake.model.rendering import Rendering
from offtake.model.report import Column, Mark, PublishedColumn, Report
from offtake.model.request import ExportRequest
from offtake.model.sort_column import SortColumn, sort_column
from offtake.model.timespan import Timespan
from tests.property.tables import write

ROWS = 160_000
ROOM = 128 * SORTED_BYTES_PER_MEMORY_MB
TIES = 1_000
# Rows of about a kilobyte; together they exceed the memory of the session.
SQL = f"""
SELECT CAST(number AS VARCHAR) AS row_id, hash(number) % {TIES} AS rank,
    repeat(md5(CAST(number AS VARCHAR)), 32) AS note
FROM range({ROWS}) AS counted (number)
WHERE $start < $end
"""
SPAN = Timespan(start=datetime(2026, 3, 1, tzinfo=UTC), end=datetime(2026, 4, 1, tzinfo=UTC), zone="UTC")
REQUEST = ExportRequest(dialect="any", report="any", format="json", timespan=SPAN, name="any")


def column(name: str, column_type: ColumnType) -> Column:
    return Column(name=name, type=column_type, meaning="Any.", mark=Mark.PROPOSED)


REPORT = Report(
    name="any",
    title="Any",
    grain="One row per number.",
    window=None,
    key=("row_id",),
    tables=(),
    columns=(column("row_id", ColumnType.ID), column("rank", ColumnType.INTEGER), column("note", ColumnType.TEXT)),
    sql=SQL,
)
# The file shows the sort column as text, but the sort uses the report's value: 9 comes before 10.
COLUMNS = tuple(
    PublishedColumn(name=name, source=source, rendering=Rendering.PLAIN, mark=Mark.PROPOSED)
    for name, source in (("at", "rank"), ("id", "row_id"), ("note", "note"))
)


def shown(*order: str) -> ColumnLayout:
    return ColumnLayout(columns=COLUMNS, headers=("at", "id", "note"), order=order)


@contextmanager
def session(folder: Path, *writable: Path, threads: int = 1) -> Iterator[Session]:
    limits = Limits(threads=threads, memory_mb=128, temp_folder=folder / "spill", temp_mb=2_000)
    with Session(limits, [], tenant="acme", writable=writable) as made:
        yield made


def whole(made: Session, query: Query) -> list[dict[str, Any]]:
    """The rows of all partitions."""
    return [row for partition in range(made.partitions) for row in made.rows(query, partition=partition)]


@pytest.mark.parametrize(
    ("rows", "kilobytes", "order"),
    [(ROWS, 1, ("rank", "row_id")), (ROWS, 1, ("rank",)), (40_000, 4, ("rank", "row_id"))],
    ids=["many-ranks", "thousand-ranks", "long-rows"],
)
def test_a_file_is_sorted_though_its_rows_do_not_fit_into_memory(
    tmp_path: Path, rows: int, kilobytes: int, order: tuple[str, ...]
) -> None:
    """Hundreds of rows share each value of the sort column."""
    sql = SQL.replace(f"range({ROWS})", f"range({rows})")
    report = replace(REPORT, sql=sql.replace("32) AS note", f"{32 * kilobytes}) AS note"))
    query = plan(report, shown(*order), REQUEST)
    file = tmp_path / "file.json"
    with session(tmp_path, file, partition_file(file)) as made:
        in_order = made.sort(query, range_bytes=ROOM)
        assert made.partitions > rows * kilobytes * 1024 // ROOM  # so there is more than one table
        assert write(JSON, made, in_order, file, Framing()) == rows
    found = [(int(row["at"]), row["id"]) for row in json.loads(file.read_text("utf-8"))]
    assert len(set(found)) == len(found) == rows
    assert all(before[: len(order)] <= after[: len(order)] for before, after in pairwise(found))


@pytest.mark.parametrize("rows", [0, 1, 1_000])
def test_few_rows_are_one_partition(tmp_path: Path, rows: int) -> None:
    report = replace(REPORT, sql=SQL.replace(f"range({ROWS})", f"range({rows})"))
    query = plan(report, shown("rank", "row_id"), REQUEST)
    with session(tmp_path) as made:
        found = made.rows(made.sort(query, range_bytes=ROOM))
        assert made.partitions == 1
    ranks = [(int(row["at"]), row["id"]) for row in found]
    assert (len(ranks), ranks) == (rows, sorted(ranks))
    assert all(row.keys() == {"at", "id", "note"} for row in found)


# Every sortable type, with nulls, capitals, letters beyond ASCII, and many equal values.
KEYS = """
SELECT number AS id, CASE WHEN number % 7 = 0 THEN NULL ELSE
    TIMESTAMP '2026-03-29 00:59:59.999999' + to_microseconds(CAST(hash(number) % 50 AS BIGINT)) END AS moment,
    (['a', 'A', 'é', '', 'z', 'aa', NULL, chr(0), '😀', chr(65535)])[CAST(1 + hash(number) % 10 AS INTEGER)] AS key,
    CAST(hash(number) % 3 AS DECIMAL(9, 2)) AS amount, repeat('x', CAST(hash(number) % 90 AS INTEGER)) AS note
FROM range(400) AS counted (number)
"""


@pytest.mark.parametrize("room", [100, 2_000, 10**9])
@pytest.mark.parametrize("order", [("moment", "key"), ("amount",), ("key", "-amount", "-moment")], ids=len)
def test_sort_ranges_give_the_order_of_one_sort(tmp_path: Path, order: tuple[str, ...], room: int) -> None:
    """For any size of a range: a row that is larger than a range is a range of its own."""
    order_by = ", ".join(f"{by.removeprefix('-')} {'DESC' if by[0] == '-' else 'ASC'} NULLS LAST" for by in order)
    names = [by.removeprefix("-") for by in order]
    query = Query(
        sql=f"SELECT id, note, {', '.join(f'{name} AS by_{name}' for name in names)} FROM ({KEYS})",
        values={},
        columns=("id", "note"),
        order=tuple(replace(sort_column(by), name=f"by_{sort_column(by).name}") for by in order),
    )
    sorted_at_once = f"SELECT id, dense_rank() OVER (ORDER BY {order_by}) AS rank FROM ({KEYS})"
    with session(tmp_path) as made:
        expected = made.rows(Query(sql=sorted_at_once, values={}, columns=("id", "rank")))
        ranks = {row["id"]: row["rank"] for row in expected}
        found = whole(made, made.sort(query, range_bytes=room))
        assert (made.partitions == 1) == (room == 10**9)
    assert sorted(row["id"] for row in found) == list(range(400))
    assert all(ranks[one["id"]] <= ranks[other["id"]] for one, other in pairwise(found))


@pytest.mark.parametrize("room", [10_000, 10**9])
def test_thousands_of_equal_rows_keep_their_order_of_arrival(tmp_path: Path, room: int) -> None:
    """Equal rows keep their order of arrival, so that every attempt writes the same file."""
    sql = "SELECT n AS id, 'the same' AS by_it, NULL AS by_nothing FROM range(9000) AS t (n)"
    query = Query(sql=sql, values={}, columns=("id",), order=(SortColumn("by_it"), SortColumn("by_nothing")))
    with session(tmp_path) as made:
        found = whole(made, made.sort(query, range_bytes=room))
        assert (made.partitions > 14) == (room == 10_000)
    assert [row["id"] for row in found] == list(range(9000))


def test_a_sort_range_is_bounded_by_bytes_and_not_by_rows(tmp_path: Path) -> None:
    """One row in a hundred fills half a range; ranges with such rows have fewer rows."""
    sql = "SELECT n AS id, repeat('x', CASE WHEN n < 5000 AND n % 50 = 0 THEN 20000 ELSE 9 END) AS note, n AS by_n "
    query = Query(
        sql=f"{sql} FROM range(10000) AS r (n)", values={}, columns=("id", "note"), order=(SortColumn("by_n"),)
    )
    with session(tmp_path) as made:
        in_order = made.sort(query, range_bytes=60_000)
        partitions = [made.rows(in_order, partition=partition) for partition in range(made.partitions)]
    assert [row["id"] for partition in partitions for row in partition] == list(range(10_000))
    assert max(sum(len(row["note"]) for row in partition) for partition in partitions) <= 60_000
    assert len(partitions[0]) < 200 < 1000 < len(partitions[-1])


def test_bytes_of_every_type_are_counted(tmp_path: Path) -> None:
    """Lists, structures and blobs count with their bytes; the same number of rows with numbers is one range."""
    long = ("repeat('x', 900)", "list_value(repeat('x', 900))", "{'a': repeat('x', 900)}", "encode(repeat('x', 900))")
    short = ("n", "CAST(n AS UINTEGER)", "n / 7", "CAST(n AS DECIMAL(18, 3))", "TIMESTAMPTZ '2026-03-01 00:00:00+01'")
    partitions: dict[str, int] = {}
    for value in (*long, *short):
        sql = f"SELECT {value} AS shown, n AS by_n FROM range(100) AS t (n)"
        query = Query(sql=sql, values={}, columns=("shown",), order=(SortColumn("by_n"),))
        with session(tmp_path) as made:
            made.sort(query, range_bytes=10_000)
            partitions[value] = made.partitions
    assert {value: partitions[value] > 9 for value in long} == dict.fromkeys(long, True)
    assert {value: partitions[value] for value in short} == dict.fromkeys(short, 1)


def test_an_interrupted_session_stops_dividing_ranges(tmp_path: Path) -> None:
    query = Query(sql="SELECT 1 AS id, 2 AS by_it", values={}, columns=("id",), order=(SortColumn("by_it"),))
    with session(tmp_path) as made:
        made.interrupt()
        with pytest.raises(AttemptInterrupted):
            made.sort(query, range_bytes=ROOM)


def test_files_are_not_sorted_by_default() -> None:
    assert plan(REPORT, shown(), REQUEST).order == ()
