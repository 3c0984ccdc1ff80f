"""External sort: the rows of a sorted export are stored on disk and divided into sort ranges that fit into memory.

The memory of a full sort grows with the number and length of the rows (DuckDB 2.0: 200,000 rows of 4 kB fail in
256 MiB with one thread). Therefore the sort first writes all rows to a table and, if that table would be read too
often, distributes them to several tables; then it sorts each range separately.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import duckdb

from offtake.engine.row_length import row_length
from offtake.errors import QueryFailed
from offtake.model.query import Query
from offtake.sql_text import quote_identifier

# Each range reads its whole table. Writing a table again costs about as much as reading it four to eight times; with
# this limit, the total cost grows least with the number of rows.
_MAX_RANGES = 16
_SAMPLE_ROWS = 1_000  # a range that is still too large is divided again
_FILL_FACTOR = 0.75  # of the maximum size, so that an underestimated range still fits
# Names that never occur as headers, which come from the catalogue.
_SORT_KEY, _SIZE, _NUMBER = (
    quote_identifier(name) for name in ("sort key of the row", "size of the row", "number of the row")
)
_RANGE_VIEW = quote_identifier("rows of the range")
_DIRECTION = {False: "'ASC NULLS LAST'", True: "'DESC NULLS LAST'"}  # by whether it is descending


@dataclass(frozen=True, slots=True, kw_only=True)
class SortRange:
    """The rows of a table between two sort keys (the upper one exclusive), with their number and bytes."""

    table: str
    lower: bytes
    upper: bytes
    rows: int
    size: int


class ExternalSort:
    """Stores rows, then divides them into ranges. ``check`` is called between statements and raises to stop.

    The sort key of a row is one value: bytes that compare like the columns of the order in sequence. Its last component
    is the number of the row, so keys are unique even if rows are equal in all columns.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, check: Callable[[], None]) -> None:
        self._connection = connection
        self._check = check
        self._tables = 0
        self._stored = self._new_table()
        self._sort_ranges: list[SortRange] = []
        self._selected: list[SortRange] = []  # all ranges, or those of ``select_rows``
        self._keys: dict[tuple[bytes, int], bytes] = {}  # the latest result of ``_key_of_row``
        self._order: list[str] = []  # columns whose values are stored with the rows

    def store(self, query: Query, *, partition: int, keep_order: bool = False) -> None:
        """Run the query for the selected partition and store its rows, with the values of the order for ``bounds``."""
        self._check()
        description = self._connection.execute(f"DESCRIBE\n{query.sql}", dict(query.values)).fetchall()
        sql_types = {quote_identifier(row[0]): str(row[1]) for row in description}
        columns = [quote_identifier(name) for name in query.columns]
        by = [f"{quote_identifier(each.name)}, {_DIRECTION[each.descending]}" for each in query.order]
        sort_key = ", ".join([*by, *(f"{column}, {_DIRECTION[False]}" for column in (str(partition), _NUMBER))])
        size = row_length(columns, [sql_types[name] for name in columns])
        if keep_order:
            self._order = [quote_identifier(each.name) for each in query.order]
        stored = ", ".join([*columns, *self._order])
        start = f"INSERT INTO {self._stored}" if partition else f"CREATE TEMP TABLE {self._stored} AS"
        # The text contains identifiers and the report's query; values of the request are bound.
        self._connection.execute(
            f"{start} SELECT {stored}, create_sort_key({sort_key}) AS {_SORT_KEY}, {size} AS {_SIZE}\n"  # noqa: S608
            f"FROM (SELECT *, row_number() OVER () AS {_NUMBER} FROM (\n{query.sql}\n))",
            dict(query.values),
        )

    def divide(self, query: Query, *, range_bytes: int) -> Query:
        """Divide the stored rows into ranges of at most ``range_bytes`` bytes, or of one row.

        Return a query for the rows of the selected range.
        """
        row = self._connection.execute(f"SELECT max({_SORT_KEY}) FROM {self._stored}").fetchone()  # noqa: S608
        last: bytes = row[0] if row and row[0] is not None else b""
        self._sort_ranges = list(self._ranges(self._measure(self._stored, b"", last + b"\0"), range_bytes))
        self._selected = self._sort_ranges
        columns = ", ".join(map(quote_identifier, query.columns))
        sql = f"SELECT {columns} FROM {_RANGE_VIEW} ORDER BY {_SORT_KEY}"  # noqa: S608
        return Query(sql=sql, values={}, columns=query.columns)

    def __len__(self) -> int:
        return len(self._selected)

    @property
    def rows(self) -> int:
        """Number of rows in all ranges."""
        return sum(range_.rows for range_ in self._sort_ranges)

    @property
    def size(self) -> int:
        """Number of bytes in all ranges, as ``divide`` measures them."""
        return sum(range_.size for range_ in self._sort_ranges)

    def select_rows(self, first: int, number: int) -> None:
        """Restrict the ranges to ``number`` rows from row ``first`` on, counted from 0 in the order of the sort.

        A range that begins before or ends after these rows is cut at the sort key of the row.
        """
        end, begun, selected = first + number, 0, []
        for range_ in self._sort_ranges:
            lower, upper = max(0, first - begun), min(range_.rows, end - begun)
            if lower < upper or range_.rows == 0:
                selected.append(self._cut(range_, lower, upper))
            begun += range_.rows
        self._selected = selected

    def bounds(self) -> tuple[tuple[object, ...], tuple[object, ...]] | None:
        """Return the values of the order in the first and the last of the selected rows; None without any."""
        filled = [range_ for range_ in self._selected if range_.rows]
        if not filled or not self._order:
            return None
        return self._order_values(filled[0], "ASC"), self._order_values(filled[-1], "DESC")

    def _order_values(self, range_: SortRange, direction: str) -> tuple[object, ...]:
        self._set_bounds(range_.lower, range_.upper)
        row = self._connection.execute(
            f"SELECT {', '.join(self._order)} FROM {range_.table} WHERE {_IN_RANGE} "  # noqa: S608
            f"ORDER BY {_SORT_KEY} {direction} LIMIT 1"
        ).fetchone()
        return row or ()

    def _cut(self, whole: SortRange, first: int, end: int) -> SortRange:
        """Return the rows ``first`` to ``end`` (exclusive) of a range; its size is an estimate."""
        lower = self._key_of_row(whole, first) if first else whole.lower
        upper = self._key_of_row(whole, end) if end < whole.rows else whole.upper
        rows = end - first
        size = whole.size * rows // max(1, whole.rows)
        return SortRange(table=whole.table, lower=lower, upper=upper, rows=rows, size=size)

    def _key_of_row(self, range_: SortRange, number: int) -> bytes:
        """Return the sort key of a row of the range. A file ends where the next one begins, so the latest is kept."""
        known = self._keys.get((range_.lower, number))
        if known is not None:
            return known
        self._check()
        self._set_bounds(range_.lower, range_.upper)
        row = self._connection.execute(
            f"SELECT {_SORT_KEY} FROM {range_.table} WHERE {_IN_RANGE} ORDER BY {_SORT_KEY} LIMIT 1 OFFSET {number}"  # noqa: S608
        ).fetchone()
        if row is None:
            raise QueryFailed("A sort range has fewer rows than were counted.")
        key: bytes = row[0]
        self._keys = {(range_.lower, number): key}
        return key

    def select(self, number: int) -> None:
        """Select the range whose rows the query of ``divide`` returns; required before that query runs."""
        range_ = self._selected[number]
        self._set_bounds(range_.lower, range_.upper)
        self._connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {_RANGE_VIEW} AS SELECT * FROM {range_.table} WHERE {_IN_RANGE}"  # noqa: S608
        )

    def _ranges(self, whole: SortRange, range_bytes: int) -> Iterator[SortRange]:
        """Yield the range itself if it fits; otherwise its subranges in order, in the same or in separate tables."""
        needed = -(-whole.size // range_bytes) if whole.rows > 1 else 1
        if needed == 1:
            yield whole
            return
        number = int(needed / _FILL_FACTOR) + 1
        separate = number > _MAX_RANGES
        bounds = [whole.lower, *self._bounds(whole, _ranges_per_pass(number)), whole.upper]
        subranges = [self._subrange(whole, *ends, separate=separate) for ends in pairwise(bounds)]
        if separate:
            self._connection.execute(f"DROP TABLE {whole.table}")
        for subrange in subranges:
            yield from self._ranges(subrange, range_bytes)

    def _subrange(self, whole: SortRange, lower: bytes, upper: bytes, *, separate: bool) -> SortRange:
        """Return a subrange, copied to a separate table if ``separate``."""
        self._check()
        table = whole.table
        if separate:
            table = self._new_table()
            self._set_bounds(lower, upper)
            self._connection.execute(
                f"CREATE TEMP TABLE {table} AS SELECT * FROM {whole.table} WHERE {_IN_RANGE}"  # noqa: S608
            )
        return self._measure(table, lower, upper)

    def _bounds(self, whole: SortRange, number: int) -> list[bytes]:
        """Return sort keys that divide a range into about ``number`` non-empty subranges of about the same size."""
        step = max(1, whole.rows // _SAMPLE_ROWS)
        self._set_bounds(whole.lower, whole.upper)
        sample = self._connection.execute(
            f"SELECT {_SORT_KEY}, {_SIZE} FROM {whole.table} WHERE {_IN_RANGE} AND hash(rowid) % {step} = 0 "  # noqa: S608
            f"ORDER BY {_SORT_KEY}"
        ).fetchall()
        return _lower_bounds(sample, number)

    def _measure(self, table: str, lower: bytes, upper: bytes) -> SortRange:
        self._set_bounds(lower, upper)
        totals = self._connection.execute(
            f"SELECT count(*), coalesce(sum({_SIZE}), 0) FROM {table} WHERE {_IN_RANGE}"  # noqa: S608
        ).fetchone()
        rows, size = totals or (0, 0)
        return SortRange(table=table, lower=lower, upper=upper, rows=int(rows), size=int(size))

    def _set_bounds(self, lower: bytes, upper: bytes) -> None:
        """Set the bounds of ``_IN_RANGE`` as session variables, which a view may name.

        DuckDB treats them as constants, so it skips row groups outside the bounds.
        """
        self._connection.execute("SET VARIABLE lower_sort_key = $key", {"key": lower})
        self._connection.execute("SET VARIABLE upper_sort_key = $key", {"key": upper})

    def _new_table(self) -> str:
        self._tables += 1
        return quote_identifier(f"stored rows {self._tables}")


_IN_RANGE = f"{_SORT_KEY} >= getvariable('lower_sort_key') AND {_SORT_KEY} < getvariable('upper_sort_key')"


def _ranges_per_pass(number: int) -> int:
    """Return into how many subranges one pass divides a range that needs ``number`` subranges.

    These are all of them or, if several passes are necessary, a root of the number, so that each pass reads its table
    equally often.
    """
    passes = 1
    while number > _MAX_RANGES**passes:
        passes += 1
    return math.ceil(math.pow(number, 1 / passes))


def _lower_bounds(sample: Sequence[tuple[bytes, int]], number: int) -> list[bytes]:
    """Return the sort keys at which subranges begin, without the first one.

    A subrange begins at the first sort key that has as many bytes before it as the earlier subranges should have.
    """
    total, begun = sum(size for _, size in sample), 0
    bounds: list[bytes] = []
    for before, (sort_key, _) in zip(accumulate(size for _, size in sample), sample[1:], strict=False):
        if before * number // total > begun:
            begun = before * number // total
            bounds.append(sort_key)
    # Without a bound, nearly all bytes are in the last row, which becomes a subrange of its own.
    return bounds or [sort_key for sort_key, _ in sample[-1:]]
