"""The first rows of a query, in its order if it has one, in little memory.

Sorted rows take two queries. The first one reads the sort columns only and stores their values in the wanted rows. The
second one reads all columns of the rows that are not behind the last of them. In one query, DuckDB would hold thousands
of rows in all their columns (2.0: up to 250 MiB for 100 rows of 60 columns).

The first query may be a simpler one that does not have exactly these rows, without the joins of the other columns. If
the second query then returns all wanted rows, no other row comes before them; otherwise the first query was misleading,
and both run again with the rows of the query itself.

The first sort column is also compared by itself with its value in the last of these rows, and each further one as long
as the columns before it have one value in all of them. DuckDB applies such comparisons while it scans a table, so it
skips row groups without such values, and reads the other columns of few rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from heapq import nsmallest
from itertools import chain
from operator import itemgetter
from typing import Any

from offtake.engine.duckdb import Session
from offtake.errors import QueryFailed
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


def sorted_rows(session: Session, query: Query, rows: int, *, order: Query | None = None) -> list[Sequence[Any]]:
    """Return the first rows of all partitions of a sorted query.

    ``order`` is a query for the sort columns alone that probably has the same rows and is faster.
    """
    if order is not None:
        with suppress(QueryFailed):
            found = _first_rows(session, query, order, rows, stored=f"{_STORED}, of a simpler query")
            if found is not None:
                return found
    return _first_rows(session, query, query, rows, stored=_STORED) or []


def _first_rows(session: Session, query: Query, order: Query, rows: int, *, stored: str) -> list[Sequence[Any]] | None:
    """Return the first rows of a query, with the sort columns of ``order``; None if these do not lead to all of them.

    If ``order`` has fewer rows than are wanted, the second query has no bound unless both are the same query.
    """
    session.create_table(stored, _sort_values(order, rows), divided=True)
    key = _sort_key(query)
    first = f"SELECT * FROM {quote_identifier(stored)} ORDER BY {key} LIMIT {rows:d}"  # noqa: S608 - planned
    prefixes = [f"count(DISTINCT {_sort_key(query, number)})" for number in range(1, len(query.order))]
    columns = ", ".join(("count(*)", f"max({key})", *prefixes))
    summary = Query(sql=f"SELECT {columns} FROM ({first}) AS stored", values={}, columns=())  # noqa: S608
    ((number, last_key, *distinct),) = session.stream(summary)
    if order is query and number == 0:
        return []
    is_bounded = order is query or number == rows
    bounded = query.order[: 1 + sum(count == 1 for count in distinct)] if is_bounded else ()
    for by in bounded:  # behind different values come no equal ones
        last = f"SELECT {quote_identifier(by.name)} FROM ({first}) AS stored ORDER BY {key} DESC LIMIT 1"  # noqa: S608
        session.select_variable(_BOUND + by.name, last)
    until = _rows_until(query, last_key if is_bounded else None, rows, bounded)
    streamed = chain.from_iterable(session.stream(until, partition=number) for number in range(session.partitions))
    found: list[Sequence[Any]] = [cells for _, *cells in nsmallest(rows, streamed, key=itemgetter(0))]
    return found if order is query or not is_bounded or len(found) == rows else None


def _sort_values(query: Query, rows: int) -> Query:
    """Return the query for the values of the sort columns in the first rows of a partition."""
    columns = ", ".join(quote_identifier(by.name) for by in query.order)
    order = ", ".join(f"{quote_identifier(by.name)} {_direction(by)}" for by in query.order)
    sql = f"SELECT {columns} FROM (\n{query.sql}\n) AS found ORDER BY {order} LIMIT {rows:d}"  # noqa: S608
    return Query(sql=sql, values=query.values, columns=tuple(by.name for by in query.order))


def _rows_until(query: Query, last_key: bytes | None, rows: int, bounded: Sequence[SortColumn]) -> Query:
    """Return the query for the first rows up to a sort key if there is one, each behind its own sort key."""
    columns = ", ".join(map(quote_identifier, query.columns))
    key = _sort_key(query)
    conditions = list(map(_within_bound, bounded))
    values = dict(query.values)
    if last_key is not None:
        conditions.append(f"{key} <= ${_LAST_KEY}")
        values[_LAST_KEY] = last_key
    found = f"SELECT {key} AS {_SORT_KEY}, {columns} FROM (\n{query.sql}\n) AS found\n"  # noqa: S608 - planned
    sql = f"{found}WHERE {' AND '.join(conditions) or 'true'} ORDER BY {_SORT_KEY} LIMIT {rows:d}"
    return Query(sql=sql, values=values, columns=("sort_key", *query.columns))


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
