"""DuckDB's parse tree of SQL text, as the objects of its JSON form, for checks of SQL that others wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

_NOWHERE = 2**64 - 1  # ``query_location`` of a node without a location

Node = Mapping[str, Any]


def syntax_tree(connection: duckdb.DuckDBPyConnection, sql: str) -> Node:
    """Return the parse tree of the text. Raises RecursionError if it is nested too deeply."""
    row = connection.execute("SELECT json_serialize_sql($sql, skip_empty := true)", {"sql": sql}).fetchone()
    tree: Node = json.loads(row[0] if row else "{}")
    return tree


def sql_of(connection: duckdb.DuckDBPyConnection, tree: Node) -> str | None:
    """Return the SQL text of a parse tree."""
    row = connection.execute("SELECT json_deserialize_sql($tree)", {"tree": json.dumps(tree)}).fetchone()
    return str(row[0]) if row and row[0] is not None else None


def nodes(tree: object) -> Iterator[Node]:
    """Yield every object of a parse tree. A table function counts as one node; its name is not a scalar function's."""
    stack: list[object] = [tree]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            yield item
            if item.get("type") == "TABLE_FUNCTION":
                item = {**item, "function": item["function"].get("arguments")}
            stack.extend(item.values())


def location(node: Node) -> int:
    """Return the byte of the text at which a node begins; 0 if it has no location."""
    found = node.get("query_location", _NOWHERE)
    return 0 if found == _NOWHERE else int(found)
