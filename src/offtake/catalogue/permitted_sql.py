"""Refuses SQL of a report that could reach more than its tables, or whose rows could differ in a repeated attempt.

The views separate tenants only if a query reads nothing else: no files, variables, settings or catalog of the engine.
The check over empty tables cannot show that, because an expression can hide a file name until the query runs. So this
module reads DuckDB's parse tree of the text: which statements, relations and functions it names, also in branches that
the check does not run.

The principle for functions: a query may call a function if its result depends on its arguments only.
``tests/catalogue/permitted_functions.txt`` records the permitted functions of DuckDB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb

from offtake.catalogue.macros import TABLE_MACROS
from offtake.sql_tree import Node, location, nodes, syntax_tree

_TABLE_FUNCTIONS = frozenset({"generate_series", "range", "unnest"})
_READING_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_TIME_FUNCTIONS = frozenset(
    {
        "ago",
        "current_date",
        "current_localtime",
        "current_localtimestamp",
        "current_time",
        "current_timestamp",
        "get_current_time",
        "get_current_timestamp",
        "localtime",
        "localtimestamp",
        "now",
        "today",
        "transaction_timestamp",
    }
)
_RANDOM_FUNCTIONS = frozenset(
    {"gen_random_uuid", "random", "reservoir_quantile", "setseed", "uuid", "uuidv4", "uuidv7"}
)
# Scalar functions that read variables, settings, statistics, the catalog, the user, the version or the state of the
# connection, that plan other SQL, or that have side effects.
_STATE_FUNCTIONS = frozenset(
    {
        "col_description",
        "current_catalog",
        "current_connection_id",
        "current_database",
        "current_query",
        "current_query_id",
        "current_role",
        "current_schema",
        "current_schemas",
        "current_setting",
        "current_transaction_id",
        "current_user",
        "currval",
        "format_type",
        "get_block_size",
        "getenv",
        "getvariable",
        "glob",
        "in_search_path",
        "index_key",
        "json_deserialize_sql",
        "json_execute_serialized_sql",
        "json_serialize_plan",
        "json_serialize_sql",
        "nextval",
        "obj_description",
        "query",
        "query_table",
        "session_user",
        "setval",
        "shobj_description",
        "sleep_ms",
        "stats",
        "txid_current",
        "user",
        "vector_type",
        "version",
        "write_log",
    }
)
_STATE_PREFIXES = ("__internal", "duckdb_", "has_", "inet_", "parquet_", "pg_", "pragma_", "read_")
_PERMITTED = frozenset({"pg_size_pretty", "pg_typeof"})  # in spite of their prefixes
# Functions that DuckDB calls without parentheses, if no column has the name.
_CALLED_BY_NAME = frozenset(
    {
        "current_catalog",
        "current_date",
        "current_role",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_user",
        "localtime",
        "localtimestamp",
        "session_user",
        "user",
    }
)
_USE_AS_OF = "use $as_of, because a repeated attempt must produce the same rows"
_USE_THE_LAKE = "use a value of the lake, such as an id, because a repeated attempt must produce the same rows"
_USE_VALUES = "use the bound values, such as $start and $zone, and the macros of reports"
CHAIN_REMEDY = (
    "a chain of operators nests one for each operator, "
    "so write concat(…) instead of ||, list_sum([…]) instead of +, and IN (…) instead of OR"
)
_SYSTEM_VIEWS = ("duckdb_", "pg_", "pragma_", "sqlite_")  # visible without their schema
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def refusals(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[int, str]]:
    """Return line and fault of everything in a valid SELECT that a report must not use, in the order of the text."""
    try:
        tree = syntax_tree(connection, sql)
    except RecursionError:
        return [(1, f"the query nests too many expressions to be checked; {CHAIN_REMEDY}")]
    if tree.get("error", True):
        return [(1, "DuckDB cannot list the functions of the query, so it cannot be checked; write a plain SELECT")]
    found = {(location(node), fault) for node in nodes(tree) for fault in _faults(node)}
    encoded = sql.encode()
    return [(encoded[:start].count(b"\n") + 1, fault) for start, fault in sorted(found)]


def joins(connection: duckdb.DuckDBPyConnection, sql: str) -> list[int]:
    """Return the lines of the joins in a permitted SELECT, in the order of the text."""
    tree, encoded = syntax_tree(connection, sql), sql.encode()
    found = sorted(location(node) for node in nodes(tree) if node.get("type") == "JOIN")
    return [encoded[:start].count(b"\n") + 1 for start in found]


def _faults(node: Node) -> Iterator[str]:
    node_type = node.get("type")
    if node.get("sample"):
        yield f"the query contains TABLESAMPLE or USING SAMPLE, which selects random rows; {_USE_THE_LAKE}"
    if node_type == "TABLE_FUNCTION":
        yield from _table_function_faults(node["function"])
    elif node_type == "BASE_TABLE":
        yield from _table_faults(node)
    elif node_type == "SHOW_REF":
        yield "the query contains SHOW, DESCRIBE or SUMMARIZE; select from the tables that report.toml declares"
    elif isinstance(node_type, str) and node_type.endswith("_NODE") and node_type not in _READING_NODES:
        yield f"the query contains {node_type.partition('_')[0]}; a query must not change tables or write files"
    elif node_type == "COLUMN_REF":
        yield from _column_faults(node["column_names"])
    elif "function_name" in node:
        name = str(node["function_name"]).lower()
        reason = _reason_against_function(name, len(node.get("arguments", ())))
        if reason:
            yield f"the query calls {name}, which {reason}"


def _reason_against_function(name: str, arguments: int) -> str | None:
    if name in _PERMITTED:
        return None
    if name == "age" and arguments == 1:
        return "counts from the current date if it has one argument; write $as_of as the first of two"
    if name in _TIME_FUNCTIONS:
        return f"depends on the current time; {_USE_AS_OF}"
    if name in _RANDOM_FUNCTIONS:
        return f"depends on random numbers; {_USE_THE_LAKE}"
    if name in _STATE_FUNCTIONS or name.startswith(_STATE_PREFIXES):
        return f"reads or changes the state of the engine; {_USE_VALUES}"
    return None


def _column_faults(names: list[str]) -> Iterator[str]:
    name = names[0].lower()
    if len(names) == 1 and name in _CALLED_BY_NAME:
        yield (
            f"the query names {name} without a table, which DuckDB reads as a function that "
            f"{_reason_against_function(name, 0)}; if {name} is a column, write its table before it"
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
        if is_relation:
            yield from _relation_faults(argument["expression"], f"argument {index + 1} of {name}")


def _relation_faults(expression: Node, argument: str) -> Iterator[str]:
    literal = expression.get("literal", {}) if expression["type"] == "VALUE_CONSTANT" else {}
    name = literal.get("text", "") if literal.get("kind") == "STRING" else ""
    if not _PLAIN_NAME.fullmatch(name):
        found = "an expression" if not literal else f"{name!r}, not a plain name" if name else "not a name"
        yield f"{argument} is {found}; write the name of a common table expression in quotes, such as 'lists'"
    elif name.lower().startswith(_SYSTEM_VIEWS):
        yield (
            f"{argument} is {name}, a name of DuckDB's own views; "
            "rename the common table expression, and write its name in quotes, such as 'lists'"
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
