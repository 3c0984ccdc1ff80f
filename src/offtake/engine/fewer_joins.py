"""The query of a report for some of its columns, without the joins that only its other columns need.

DuckDB keeps a LEFT JOIN whose columns are not used, because it may multiply rows. A query without it has the same rows,
each perhaps fewer times.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache

import duckdb

from offtake.sql_tree import Node, nodes, sql_of, syntax_tree

_QUERIES = 256  # of all reports and sets of columns that are remembered
_OTHER_PARTS = (
    "modifiers",
    "group_expressions",
    "group_sets",
    "having",
    "qualify",
    "sample",
)  # of a SELECT: they change its rows


@lru_cache(maxsize=_QUERIES)
def with_fewer_joins(sql: str, columns: frozenset[str]) -> str | None:
    """Return the query for these columns with fewer joins; None if it needs all of them or has another shape."""
    try:
        with duckdb.connect() as connection:
            tree = syntax_tree(connection, sql)
            if tree["error"]:
                return None
            (statement,) = tree["statements"]
            smaller = _smaller(statement["node"], columns)
            if smaller is None:
                return None
            return sql_of(connection, {**tree, "statements": [{**statement, "node": smaller}]})
    except (duckdb.Error, RecursionError):
        return None


def _smaller(select: Node, columns: frozenset[str]) -> Node | None:
    if select["type"] != "SELECT_NODE" or any(select.get(part) for part in _OTHER_PARTS):
        return None
    values = [value for value in select["select_list"] if _name(value) in columns]
    used = _tables((*values, select.get("where_clause")))
    if len(values) != len(columns) or used is None:
        return None
    source = _needed(select["from_table"], used)
    return None if source is None else {**select, "select_list": values, "from_table": source}


def _needed(source: Node, used: Collection[str]) -> Node | None:
    """Return the FROM clause without the outermost joins whose table is not used; None if there are none."""
    kept: list[Node] = []
    dropped, names = 0, set(used)
    while source["type"] == "JOIN":
        if source["join_type"] == "LEFT" and source["ref_type"] == "REGULAR" and _is_unused(source["right"], names):
            dropped += 1
        else:
            more = _tables([source.get("condition"), source["right"]])
            if more is None:
                return None
            names |= more
            kept.append(source)
        source = source["left"]
    for join in reversed(kept):
        source = {**join, "left": source}
    return source if dropped else None


def _tables(parts: Iterable[object]) -> set[str] | None:
    """Return the names of tables to which columns in the parts belong; None if a column is named without one."""
    found: set[str] = set()
    for part in parts:
        for node in nodes(part):
            if node.get("class") == "COLUMN_REF":
                if len(node["column_names"]) == 1:
                    return None
                found.add(node["column_names"][0])
    return found


def _name(value: Node) -> str | None:
    """Return the name of a column of the result."""
    if value.get("alias"):
        return str(value["alias"])
    return str(value["column_names"][-1]) if value.get("class") == "COLUMN_REF" else None


def _is_unused(table: Node, used: Collection[str]) -> bool:
    """Whether a table has a name in the query, which is not used."""
    name = table.get("alias") or table.get("table_name")
    return bool(name) and name not in used
