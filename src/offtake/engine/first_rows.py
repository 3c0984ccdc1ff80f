"""The first rows of a query, in its order if it has one, in little memory.

Sorted rows take two queries. The first one reads the sort columns only and stores their values in the wanted rows. The
second one reads all columns of the rows that are not behind the last of them. In one query, DuckDB would hold thousands
of rows in all their columns (2.0: up to 250 MiB for 100 rows of 60 columns).

The first sort column is also compared by itself with its value in the last of these rows, and each further one as long
as the columns before it have one value in all of them. DuckDB applies such comparisons while it scans a table, so it
skips row groups without such values, and reads the other columns of few rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from offtake.engine.duckdb import Session
from offtake.model.query import Query
from offtake.model.sort_column import SortColumn
from offtake.sql_text import quote_identifier, quote_literal

_LAST_KEY = "last_sort_key"
# Never equal to a header or a table, which come from the catalogue.
_SORT_KEY = quote_identifier("sort key of the row")
_STORED = "sort columns of the first rows"
_BOUND = "last value of "


def any_rows(query: Query, rows: int) -> Query:
    """Return the query for that many rows of an unsorted query."""
    columns = ", ".join(map(quote_identifier, query.columns))
    sql = f"SELECT {columns} FROM (\n{query.sql}\n) AS found LIMIT {rows:d}"  # noqa: S608 - of the planned query
    return Query(sql=sql, values=query.values, columns=query.columns)


def sorted_rows(session: Session, query: Query, rows: int) -> Query | None:
    """Return the query for the first rows of a sorted query, each behind its own sort key; None if there are none.

    The keys are bytes that compare like the rows. Each partition gives its own first rows, which have to be merged.
    Runs once in a session.
    """
    session.create_table(_STORED, _sort_values(query, rows), divided=True)
    key = _sort_key(query)
    stored = f"SELECT * FROM {quote_identifier(_STORED)} ORDER BY {key} LIMIT {rows:d}"  # noqa: S608 - planned
    prefixes = [f"count(DISTINCT {_sort_key(query, number)})" for number in range(1, len(query.order))]
    columns = ", ".join((f"max({key})", *prefixes))
    found = Query(sql=f"SELECT {columns} FROM ({stored}) AS stored", values={}, columns=("key",))  # noqa: S608
    ((last_key, *distinct),) = session.stream(found)
    if last_key is None:
        return None
    bounded = query.order[: 1 + sum(number == 1 for number in distinct)]  # behind different values come no equal ones
    for by in bounded:
        last = f"SELECT {quote_identifier(by.name)} FROM ({stored}) AS stored ORDER BY {key} DESC LIMIT 1"  # noqa: S608
        session.select_variable(_BOUND + by.name, last)
    return _rows_until(query, last_key, rows, bounded)


def _sort_values(query: Query, rows: int) -> Query:
    """Return the query for the values of the sort columns in the first rows of a partition."""
    columns = ", ".join(quote_identifier(by.name) for by in query.order)
    order = ", ".join(f"{quote_identifier(by.name)} {_direction(by)}" for by in query.order)
    sql = f"SELECT {columns} FROM (\n{query.sql}\n) AS found ORDER BY {order} LIMIT {rows:d}"  # noqa: S608
    return Query(sql=sql, values=query.values, columns=tuple(by.name for by in query.order))


def _rows_until(query: Query, last_key: bytes, rows: int, bounded: Sequence[SortColumn]) -> Query:
    """Return the query for the first rows up to a sort key, each behind its own sort key."""
    columns = ", ".join(map(quote_identifier, query.columns))
    key = _sort_key(query)
    found = (
        f"SELECT {key} AS {_SORT_KEY}, {columns} FROM (\n{query.sql}\n) AS found\n"  # noqa: S608
        f"WHERE {' AND '.join(map(_within_bound, bounded))} AND {key} <= ${_LAST_KEY}"
    )
    sql = f"{found} ORDER BY {_SORT_KEY} LIMIT {rows:d}"
    return Query(sql=sql, values={**query.values, _LAST_KEY: last_key}, columns=("sort_key", *query.columns))


def _within_bound(by: SortColumn) -> str:
    """Return the condition that a sort column is not behind its value in the last row; a null is behind all values.

    DuckDB knows the bound when it plans the query, so only one side of the OR remains.
    """
    bound = f"getvariable({quote_literal(_BOUND + by.name)})"
    return f"({bound} IS NULL OR {quote_identifier(by.name)} {'>=' if by.descending else '<='} {bound})"


def _direction(by: SortColumn) -> str:
    return f"{'DESC' if by.descending else 'ASC'} NULLS LAST"


def _sort_key(query: Query, columns: int | None = None) -> str:
    """Return the SQL for the sort key of a row: of all sort columns, or of the first ones only."""
    by = (f"{quote_identifier(by.name)}, '{_direction(by)}'" for by in query.order[:columns])
    return f"create_sort_key({', '.join(by)})"
