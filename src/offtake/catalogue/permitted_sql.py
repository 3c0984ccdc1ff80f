"""Refuses SQL of a report that could reach more than its tables: files, variables, settings and the engine's catalog.

The views separate tenants only if a query reads nothing else. The check over empty tables cannot show that, because an
expression can hide a file name until the query runs. So this module reads DuckDB's parse tree of the text: which
statements, relations and functions it names, also in branches that the check does not run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from offtake.catalogue.macros import TABLE_MACROS

_TABLE_FUNCTIONS = frozenset({"generate_series", "range", "unnest"})
_READING_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
# Scalar functions that read variables, settings, statistics, the catalog or the state of the connection, that plan
# other SQL, or that have side effects.
_FUNCTIONS = frozenset(
    {
        "col_description",
        "current_catalog",
        "current_connection_id",
        "current_database",
        "current_query",
        "current_query_id",
        "current_schema",
        "current_schemas",
        "current_setting",
        "current_transaction_id",
        "currval",
        "getenv",
        "getvariable",
        "glob",
        "in_search_path",
        "json_deserialize_sql",
        "json_execute_serialized_sql",
        "json_serialize_plan",
        "json_serialize_sql",
        "nextval",
        "obj_description",
        "query",
        "query_table",
        "setseed",
        "setval",
        "shobj_description",
        "sleep_ms",
        "stats",
        "txid_current",
        "write_log",
    }
)
_FUNCTION_PREFIXES = ("__internal", "duckdb_", "inet_", "parquet_", "pg_", "pragma_", "read_")
_SYSTEM_VIEWS = ("duckdb_", "pg_", "pragma_", "sqlite_")  # visible without their schema
_NOWHERE = 2**64 - 1  # ``query_location`` of a node without a location

Node = Mapping[str, Any]


def refusals(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[int, str]]:
    """Return line and fault of everything in a valid SELECT that a report must not use, in the order of the text."""
    row = connection.execute("SELECT json_serialize_sql($sql, skip_empty := true)", {"sql": sql}).fetchone()
    try:
        tree = json.loads(row[0] if row else "{}")
    except RecursionError:
        return [(1, "the query is nested too deeply to be checked; divide it into common table expressions")]
    if tree.get("error", True):
        return [(1, "DuckDB cannot list the functions of the query, so it cannot be checked; write a plain SELECT")]
    found = {(_location(node), fault) for node in _nodes(tree) for fault in _faults(node)}
    encoded = sql.encode()
    return [(encoded[:location].count(b"\n") + 1, fault) for location, fault in sorted(found)]


def _nodes(tree: Node) -> Iterator[Node]:
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


def _faults(node: Node) -> Iterator[str]:
    node_type = node.get("type")
    if node_type == "TABLE_FUNCTION":
        yield from _table_function_faults(node["function"])
    elif node_type == "BASE_TABLE":
        yield from _table_faults(node)
    elif node_type == "SHOW_REF":
        yield "the query contains SHOW, DESCRIBE or SUMMARIZE; select from the tables that report.toml declares"
    elif isinstance(node_type, str) and node_type.endswith("_NODE") and node_type not in _READING_NODES:
        yield f"the query contains {node_type.partition('_')[0]}; a query must not change tables or write files"
    elif "function_name" in node:
        name = str(node["function_name"]).lower()
        if name in _FUNCTIONS or name.startswith(_FUNCTION_PREFIXES):
            yield (
                f"the query calls {name}, which reads or changes the state of the engine; "
                "use the bound values, such as $start and $zone, and the macros of reports"
            )


def _table_function_faults(function: Node) -> Iterator[str]:
    name = str(function["function_name"]).lower()
    if name not in TABLE_MACROS and name not in _TABLE_FUNCTIONS:
        allowed = ", ".join(sorted({*TABLE_MACROS, *_TABLE_FUNCTIONS}))
        yield (
            f"the query calls the table function {name}, which could read more than the tenant's rows; "
            f"use the tables that report.toml declares, or one of {allowed}"
        )
    relations = TABLE_MACROS.get(name, ())
    for index, argument in enumerate(function.get("arguments", ())):
        parameter = str(argument.get("name", "")).lower()
        is_relation = parameter in relations if parameter else index < len(relations)
        if is_relation and argument["expression"]["type"] != "VALUE_CONSTANT":
            yield (
                f"argument {index + 1} of {name} is an expression; "
                "write the name of a common table expression in quotes, such as 'lists'"
            )


def _table_faults(table: Node) -> Iterator[str]:
    name = str(table["table_name"])
    if table.get("schema_name") or table.get("catalog_name"):
        yield f"the query names {name} with its schema; name a table that report.toml declares, without a schema"
    elif name.lower().startswith(_SYSTEM_VIEWS):
        yield (
            f"the query reads {name}, a name of DuckDB's own views; "
            "use the tables that report.toml declares, and rename a common table expression of this name"
        )


def _location(node: Node) -> int:
    location = node.get("query_location", _NOWHERE)
    return 0 if location == _NOWHERE else int(location)
