"""The first rows of a sorted query are those of the whole sort, with nulls, ties, filters and partitions."""

from __future__ import annotations

import math
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
ORDERS = st.lists(st.tuples(st.sampled_from(sorted(COLUMNS)), st.booleans()), max_size=3, unique_by=itemgetter(0))


def test_the_bound_of_the_first_sort_column_reaches_the_scan(tmp_path: Path) -> None:
    """Otherwise every column of every row would be read."""
    with session(tmp_path) as engine:
        engine.define("CREATE TEMP TABLE numbers AS SELECT range AS id, -range AS number FROM range(100000)")
        query = found(engine, "numbers", ("number", False), ("id", False))
        assert query is not None
        plan = engine.rows(Query(sql=f"EXPLAIN {query.sql}", values=query.values, columns=("kind", "plan")))[0]["plan"]
    assert "number<=-99990" in plan.replace(" ", "")


@given(
    rows=st.lists(VALUES, max_size=40),
    order=ORDERS,
    wanted=st.integers(1, 45),
    partitions=st.integers(1, 3),
    least=st.none() | st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_first_rows_are_those_of_the_whole_sort(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    order: list[tuple[str, bool]],
    wanted: int,
    partitions: int,
    least: int | None,
) -> None:
    by = [*order, ("id", False)]
    with session(tmp_path_factory.getbasetemp(), partitions=partitions) as engine:
        engine.define(MACROS)
        types = {"id": "INTEGER", **{name: sql_type for name, (sql_type, _) in COLUMNS.items()}}
        batch = {name: [row[name] for row in rows] for name in COLUMNS}
        engine.create_relation("found", types, [{"id": list(range(len(rows))), **batch}])
        condition = "in_partition(id)" if least is None else f"in_partition(id) AND number >= {least}"
        query = found(engine, f"found WHERE {condition}", *by, rows=wanted)
        shown = sorted(
            row for part in range(partitions) for row in (engine.stream(query, partition=part) if query else ())
        )
        sort = ", ".join(f"{name} {'DESC' if descending else 'ASC'} NULLS LAST" for name, descending in by)
        where = "" if least is None else f"WHERE number >= {least}"
        whole = Query(sql=f"SELECT id FROM found {where} ORDER BY {sort} LIMIT {wanted}", values={}, columns=("id",))
        expected = [row["id"] for row in engine.rows(whole)]
    assert [id_ for _, id_ in shown[:wanted]] == expected


def found(engine: Session, source: str, *by: tuple[str, bool], rows: int = 10) -> Query | None:
    columns = ", ".join(f'{name} AS "order by {name}"' for name, _ in by)
    order = tuple(SortColumn(f"order by {name}", descending=descending) for name, descending in by)
    query = Query(sql=f"SELECT id, {columns} FROM {source}", values={}, columns=("id",), order=order)
    return sorted_rows(engine, query, rows)


def session(folder: Path, *, partitions: int = 1) -> Session:
    limits = Limits(threads=1, memory_mb=128, temp_folder=folder, temp_mb=0, fixed_join_sides=True)
    return Session(limits, [], tenant="acme", partitions=partitions)
