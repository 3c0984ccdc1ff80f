"""The first rows of a query, in its order if it has one, in little memory.

Sorted rows take two queries: the first one reads the sort columns and gives the sort keys of the wanted rows, the
second one reads all columns of these rows. In one query, DuckDB would hold thousands of rows in all their columns (2.0:
up to 250 MiB for 100 rows of 60 columns).
"""

from __future__ import annotations

from offtake.model.query import Query
from offtake.sql_text import quote_identifier

_LAST_KEY = "last_sort_key"
_SORT_KEY = quote_identifier("sort key of the row")  # never equal to a header, which comes from the catalogue


def any_rows(query: Query, rows: int) -> Query:
    """Return the query for that many rows of an unsorted query."""
    columns = ", ".join(map(quote_identifier, query.columns))
    sql = f"SELECT {columns} FROM (\n{query.sql}\n) AS found LIMIT {rows:d}"  # noqa: S608 - of the planned query
    return Query(sql=sql, values=query.values, columns=query.columns)


def first_keys(query: Query, rows: int) -> Query:
    """Return the query for the sort keys of the first rows of a sorted query: bytes that compare like the rows."""
    keys = f"SELECT {_sort_key(query)} AS {_SORT_KEY} FROM (\n{query.sql}\n) AS found"  # noqa: S608 - of the planned query
    return Query(sql=f"{keys} ORDER BY {_SORT_KEY} LIMIT {rows:d}", values=query.values, columns=("sort_key",))


def rows_until(query: Query, last_key: bytes, rows: int) -> Query:
    """Return the query for the first rows up to a sort key, each behind its own sort key."""
    columns = ", ".join(map(quote_identifier, query.columns))
    key = _sort_key(query)
    found = f"SELECT {key} AS {_SORT_KEY}, {columns} FROM (\n{query.sql}\n) AS found WHERE {key} <= ${_LAST_KEY}"  # noqa: S608
    sql = f"{found} ORDER BY {_SORT_KEY} LIMIT {rows:d}"
    return Query(sql=sql, values={**query.values, _LAST_KEY: last_key}, columns=("sort_key", *query.columns))


def _sort_key(query: Query) -> str:
    by = (f"{quote_identifier(by.name)}, '{'DESC' if by.descending else 'ASC'} NULLS LAST'" for by in query.order)
    return f"create_sort_key({', '.join(by)})"
