"""Filter expressions on the columns of a table, as SQL: which rows ``offtake delete --where`` removes.

The values of an expression are texts in a session variable, never part of the SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import duckdb

from offtake.errors import InvalidExpression
from offtake.lake.tables import DUCKDB_TYPES, Table
from offtake.model.column_type import ColumnType
from offtake.model.expression import (
    Absence,
    Combination,
    Comparison,
    Expression,
    FieldType,
    Negation,
    parse,
)
from offtake.sql_text import comparison, quote_identifier

_FIELDS: Mapping[ColumnType, FieldType] = MappingProxyType(
    {
        ColumnType.TEXT: FieldType.TEXT,
        ColumnType.ID: FieldType.TEXT,
        ColumnType.INTEGER: FieldType.NUMBER,
        ColumnType.SECONDS: FieldType.NUMBER,
        ColumnType.MILLISECONDS: FieldType.NUMBER,
        ColumnType.DECIMAL: FieldType.DECIMAL,
        ColumnType.BOOLEAN: FieldType.FLAG,
        ColumnType.INSTANT: FieldType.INSTANT,
        ColumnType.LIST: FieldType.LIST,
    }
)
_VARIABLE = "row_filter_values"


def parse_row_filter(table: Table, text: str) -> Expression:
    """Parse a filter expression on the table's columns. Raises InvalidExpression."""
    try:
        return parse(text, {column.name: _FIELDS[column.type] for column in table.columns})
    except InvalidExpression as error:
        raise InvalidExpression(f"--where: the filter on {table.name} {error.message}") from error


def row_condition(connection: duckdb.DuckDBPyConnection, table: Table, expression: Expression) -> str:
    """Return the condition, which is never null, as SQL; its values are set in the session."""
    values: list[str] = []
    condition = _condition(table, expression, values)
    connection.execute(f"SET VARIABLE {_VARIABLE} = $values", {"values": values})
    return condition


def _condition(table: Table, expression: Expression, values: list[str]) -> str:
    match expression:
        case Combination(word, terms):
            return "(" + f" {word.upper()} ".join(_condition(table, term, values) for term in terms) + ")"
        case Negation(of):
            return f"(NOT {_condition(table, of, values)})"
        case Absence(field):
            return f"({quote_identifier(field)} IS NULL)"
        case Comparison(field, operator, operands):
            column_type = table.by_name[field].type
            sql_type = "VARCHAR" if column_type is ColumnType.LIST else DUCKDB_TYPES[column_type]
            bound = []
            for value in operands:
                values.append(str(value))
                bound.append(f"CAST(getvariable('{_VARIABLE}')[{len(values)}] AS {sql_type})")
            if column_type is ColumnType.LIST:
                return f"coalesce(list_contains({quote_identifier(field)}, {bound[0]}), false)"
            return comparison(quote_identifier(field), operator, bound)
