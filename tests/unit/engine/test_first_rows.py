"""The first rows of a sorted query are those of the whole sort, with nulls, ties, filters and partitions.

They do not depend on the simpler query for the sort columns, which may have other rows or fail.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offtake.catalogue.macros import MACROS
from offtake.engine.duckdb import Session
from offtake.engine.first_rows import sorted_rows
from offtake.engine.locked_database import Limits
from offtake.model.query import Query
from offtake.model.sort_column import SortColumn

COLUMNS = {
    "number": ("INTEGER", st.integers(0, 3)),
    "half": ("DOUBLE", st.sampled_from([-0.5, 0.0, 1e300, math.inf, math.nan])),
    "text": ("VARCHAR", st.sampled_from(["", "a", "B", "é", "€", "a\x00b"])),
    "flag": ("BOOLEAN", st.booleans()),
    "instant": ("TIMESTAMPTZ", st.sampled_from(["2026-03-29 00:59:59.999999+00", "2026-03-29 03:00:00+02"])),
    "words": ("VARCHAR[]", st.lists(st.sampled_from(["", "b"]), max_size=2)),
}
VALUES = st.fixed_dictionaries({name: st.none() | values for name, (_, values) in COLUMNS.items()})
# Simpler queries for the sort columns: none; one with the same rows, with other rows before them, with fewer rows, with
# each row several times, and one that fails.
SIMPLER = [
    None,
    "found WHERE {condition}",
    "(SELECT * FROM found UNION ALL SELECT * REPLACE (id - 50 AS id) FROM found) AS more",
    "found WHERE {condition} AND id % 3 = 0",
    "found CROSS JOIN range(3) WHERE {condition}",
    "nothing",
]
ORDERS = st.lists(st.tuples(st.sampled_from(sorted(COLUMNS)), st.booleans()), max_size=3, unique_by=itemgetter(0))


def test_the_bound_of_the_first_sort_column_reaches_the_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise every column of every row would be read. A simpler query for the sort columns gives the same bound."""
    queries: list[Query] = []

    def recorded(engine: Session, query: Query, *, partition: int = 0) -> Iterator[tuple[Any, ...]]:
        queries.append(query)
        return stream(engine, query, partition=partition)

    stream = Session.stream
    monkeypatch.setattr(Session, "stream", recorded)
    with session(tmp_path) as engine:
        engine.define("CREATE TEMP TABLE numbers AS SELECT range AS id, -range AS number FROM range(100000)")
        query = sorted_query("numbers CROSS JOIN range(1, 2)", ("number", False), ("id", False))
        simpler = sorted_query("numbers", ("number", False), ("id", False))
        assert sorted_rows(engine, query, 2, order=simpler) == [[99_999], [99_998]]
        last = queries[-1]
        plan = engine.rows(Query(sql=f"EXPLAIN {last.sql}", values=last.values, columns=("kind", "plan")))[0]["plan"]
    assert len(queries) == 2
    assert "number<=-99998" in plan.replace(" ", "")


@given(
    rows=st.lists(VALUES, max_size=40),
    order=ORDERS,
    wanted=st.integers(1, 45),
    partitions=st.integers(1, 3),
    least=st.none() | st.integers(0, 3),
    simpler=st.sampled_from(SIMPLER),
)
@settings(max_examples=60, deadline=None)
def test_first_rows_are_those_of_the_whole_sort(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    order: list[tuple[str, bool]],
    wanted: int,
    partitions: int,
    least: int | None,
    simpler: str | None,
) -> None:
    by = [*order, ("id", False)]
    with session(tmp_path_factory.getbasetemp(), partitions=partitions) as engine:
        engine.define(MACROS)
        types = {"id": "INTEGER", **{name: sql_type for name, (sql_type, _) in COLUMNS.items()}}
        batch = {name: [row[name] for row in rows] for name in COLUMNS}
        engine.create_relation("found", types, [{"id": list(range(len(rows))), **batch}])
        condition = "in_partition(id)" if least is None else f"in_partition(id) AND number >= {least}"
        simple = None if simpler is None else sorted_query(simpler.format(condition=condition), *by)
        shown = sorted_rows(engine, sorted_query(f"found WHERE {condition}", *by), wanted, order=simple)
        sort = ", ".join(f"{name} {'DESC' if descending else 'ASC'} NULLS LAST" for name, descending in by)
        where = "" if least is None else f"WHERE number >= {least}"
        whole = Query(sql=f"SELECT id FROM found {where} ORDER BY {sort} LIMIT {wanted}", values={}, columns=("id",))
        expected = [row["id"] for row in engine.rows(whole)]
    assert [id_ for (id_,) in shown] == expected


def sorted_query(source: str, *by: tuple[str, bool]) -> Query:
    columns = ", ".join(f'{name} AS "order by {name}"' for name, _ in by)
    order = tuple(SortColumn(f"order by {name}", descending=descending) for name, descending in by)
    return Query(sql=f"SELECT id, {columns} FROM {source}", values={}, columns=("id",), order=order)


def session(folder: Path, *, partitions: int = 1) -> Session:
    limits = Limits(threads=1, memory_mb=128, temp_folder=folder, temp_mb=0, fixed_join_sides=True)
    return Session(limits, [], tenant="acme", partitions=partitions)
