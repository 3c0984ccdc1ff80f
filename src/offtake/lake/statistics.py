"""Queries for the statistics of a table: its rows, its first and last event, and its dangling references.

A reference dangles if the table that it refers to has no row with this key. Facts may arrive before the rows that they
refer to, so it is no fault.
"""

from __future__ import annotations

from types import MappingProxyType

from offtake.lake.tables import Table, TableColumn, tables
from offtake.model.column_type import ColumnType
from offtake.model.query import Query
from offtake.sql_text import quote_identifier

_NO_VALUES = MappingProxyType[str, object]({})


def event_query(table: Table) -> Query:
    """Return the query for the number of rows and the first and the last event, as text in UTC; null without events."""
    event = table.event_time
    columns = (
        [
            f"strftime({each}({quote_identifier(event)}) AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
            for each in ("min", "max")
        ]
        if event
        else ["NULL", "NULL"]
    )
    sql = f"SELECT count(*), {', '.join(columns)} FROM {quote_identifier(table.name)}"  # noqa: S608
    return Query(sql=sql, values=_NO_VALUES, columns=("rows", "first_event", "last_event"))


def references(table: Table) -> tuple[TableColumn, ...]:
    """Return the columns that refer to other tables, or to this one."""
    return tuple(column for column in table.columns if column.references)


def dangling_query(table: Table, column: TableColumn) -> Query:
    """Return the query for the number of dangling references of a column; in a list, each entry is one."""
    referenced = tables()[column.references or ""]
    (key,) = referenced.key
    value = quote_identifier(column.name)
    each = f"unnest({value})" if column.type is ColumnType.LIST else value
    sql = (
        f"SELECT count(*) FROM (SELECT {each} AS id FROM {quote_identifier(table.name)}) AS reference\n"  # noqa: S608
        f"ANTI JOIN {quote_identifier(referenced.name)} AS referenced ON referenced.{quote_identifier(key)} = id\n"
        "WHERE id IS NOT NULL"
    )
    return Query(sql=sql, values=_NO_VALUES, columns=("dangling",))
