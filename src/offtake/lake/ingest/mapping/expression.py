"""Expressions of a mapping: a small part of DuckDB's SQL over the columns of a source.

An expression computes one value from the values of one row. DuckDB's own parse tree decides what it contains, so
nothing depends on how the text is written. Only the listed functions are accepted: their results depend on their
arguments alone.
"""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from offtake.sql_text import quote_literal
from offtake.sql_tree import Node, location, nodes, syntax_tree

FUNCTIONS: Collection[str] = frozenset(
    [
        "||",
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "~~",
        "!~~",
        "~~*",
        "!~~*",
        "abs",
        "array_extract",
        "array_slice",
        "array_to_string",
        "ceil",
        "ceiling",
        "concat",
        "concat_ws",
        "contains",
        "date_add",
        "date_diff",
        "date_part",
        "date_sub",
        "date_trunc",
        "datediff",
        "datepart",
        "epoch",
        "epoch_ms",
        "epoch_us",
        "ends_with",
        "exp",
        "floor",
        "greatest",
        "instr",
        "json_array_length",
        "json_extract",
        "json_extract_string",
        "json_type",
        "json_valid",
        "->>",
        "->",
        "least",
        "left",
        "length",
        "list_concat",
        "list_contains",
        "list_distinct",
        "list_extract",
        "list_filter",
        "list_position",
        "list_slice",
        "list_sort",
        "list_value",
        "lower",
        "lpad",
        "ltrim",
        "make_date",
        "make_timestamp",
        "md5",
        "nullif",
        "pow",
        "power",
        "prefix",
        "regexp_extract",
        "regexp_full_match",
        "regexp_matches",
        "regexp_replace",
        "replace",
        "reverse",
        "right",
        "round",
        "rpad",
        "rtrim",
        "sha256",
        "sign",
        "split",
        "split_part",
        "starts_with",
        "str_split",
        "strftime",
        "string_split",
        "strip_accents",
        "strlen",
        "strpos",
        "strptime",
        "substr",
        "substring",
        "suffix",
        "to_days",
        "to_hours",
        "to_microseconds",
        "to_milliseconds",
        "to_minutes",
        "to_months",
        "to_seconds",
        "to_years",
        "translate",
        "trim",
        "trunc",
        "try_strptime",
        "unicode",
        "upper",
        "year",
        "month",
        "day",
        "hour",
        "minute",
        "second",
    ]
)
_CLASSES = {
    "CASE",
    "CAST",
    "COLUMN_REF",
    "COMPARISON",
    "CONJUNCTION",
    "CONSTANT",
    "FUNCTION",
    "OPERATOR",
    "BETWEEN",
    "TYPE",
}
_OPERATORS = {
    *("OPERATOR_COALESCE", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "OPERATOR_NOT", "OPERATOR_NULLIF"),
    *("OPERATOR_TRY", "COMPARE_IN", "COMPARE_NOT_IN", "ARRAY_EXTRACT", "ARRAY_SLICE"),
}
_WHAT = {
    "SUBQUERY": "a subquery",
    "LAMBDA": "a lambda",
    "WINDOW": "a window function",
    "STAR": "a star",
    "PARAMETER": "a parameter",
    "COLLATE": "a collation",
}
_PREFIX = "SELECT "
_PADDING, _LONGEST_PADDED = frozenset({"lpad", "rpad"}), 10_000  # characters


@dataclass(frozen=True, slots=True)
class Expression:
    """A permitted expression and its parse tree."""

    text: str
    tree: Node

    @property
    def columns(self) -> list[str]:
        """Names of the source columns that it uses; a path of keys is joined with dots."""
        found = sorted(_columns(self.tree), key=location)
        return list(dict.fromkeys(".".join(node["column_names"]) for node in found))

    def sql(self, connection: duckdb.DuckDBPyConnection, column: Callable[[str], str]) -> str:
        """Return the SQL in which each column has the name that ``column`` returns."""
        tree = copy.deepcopy(dict(self.tree))
        for node in _columns(tree):
            node["column_names"] = [column(".".join(node["column_names"]))]
        row = connection.execute(f"SELECT json_deserialize_sql({quote_literal(json.dumps(tree))}::JSON)").fetchone()
        return str(row[0]).removeprefix(_PREFIX) if row else ""


def read_expression(connection: duckdb.DuckDBPyConnection, text: str) -> Expression | list[str]:
    """Return the expression, or the faults of its text."""
    try:
        tree = syntax_tree(connection, _PREFIX + text)
    except RecursionError:
        return ["the expression nests too deeply"]
    if tree.get("error", True):
        message = str(tree.get("error_message", "not SQL")).strip().splitlines()[0]
        return [f"the expression is not valid SQL: {message}"]
    faults = list(dict.fromkeys(_faults(tree)))
    return faults or Expression(text, tree)


def _faults(tree: Node) -> Iterator[str]:
    statements = tree["statements"]
    select = statements[0]["node"] if len(statements) == 1 else {}
    parts = ["where_clause", "having", "sample", "qualify", "group_expressions", "group_sets", "modifiers"]
    if (
        select.get("type") != "SELECT_NODE"
        or len(select["select_list"]) != 1
        or select["from_table"]["type"] != "EMPTY"
        or select["cte_map"].get("map")
        or any(select.get(part) for part in parts)
    ):
        yield "write one expression only, without FROM, WHERE, ORDER BY or a semicolon"
        return
    if select["select_list"][0].get("alias"):
        yield "leave AS out: the column of the table has its name already"
    for node in nodes(select["select_list"]):
        if "class" in node:
            yield from _node_faults(node)


def _node_faults(node: Node) -> Iterator[str]:
    name = str(node["class"])
    if name not in _CLASSES or (name == "OPERATOR" and node["type"] not in _OPERATORS):
        yield f"it contains {_WHAT.get(name, str(node['type']).lower())}; an expression has values of one row only"
    if name == "FUNCTION":
        function = str(node["function_name"]).lower()
        if function not in FUNCTIONS or node.get("schema") or node.get("filter") or node.get("distinct"):
            close = difflib.get_close_matches(function, FUNCTIONS, n=1, cutoff=0.75)
            hint = f"did you mean {close[0]}?" if close else "the manual lists the functions of a mapping"
            yield f"the function {function} is not accepted; {hint}"
        if function in _PADDING and not _is_short(node.get("arguments", [])):
            yield f"the second value of {function}, the length, must be a whole number of at most {_LONGEST_PADDED:,}"


def _is_short(arguments: list[Any]) -> bool:
    """Return whether the length of a padding is a small number: a great one makes a text that fills the memory."""
    literal = arguments[1]["expression"].get("literal", {}) if len(arguments) > 1 else {}
    return literal.get("kind") == "INTEGER" and int(literal["text"]) <= _LONGEST_PADDED


def _columns(tree: object) -> Iterator[Any]:
    return (node for node in nodes(tree) if node.get("class") == "COLUMN_REF")
