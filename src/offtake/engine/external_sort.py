"""External sort: the rows of a sorted export are stored on disk and divided into sort ranges that fit into memory.

The memory of a full sort grows with the number and length of the rows (DuckDB 2.0: 200,000 rows of 4 kB fail in
256 MiB with one thread). Therefore all rows are only written to a table and, if that table would be read too often,
distributed to several tables; each range is then sorted alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import duckdb

from offtake.model.query import Query
from offtake.sql_text import quote_identifier

# A table is read once per range. Writing it again costs about as much as reading it four to eight times; with this
# limit, the total cost grows least with the number of rows.
_MAX_RANGES = 16
_SAMPLE = 1_000  # rows of the sample; a range that is still too large is divided again
_FILLED = 0.75  # of the maximum size, so that an underestimated range still fits
_CELL = 16  # minimum bytes of a value
# Types whose values are not larger.
_OF_ONE_SIZE = re.compile(
    r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|(BOOLEAN|DATE|DECIMAL|DOUBLE|FLOAT|INTERVAL|TIME|UUID)[^\[]*"
)
# Names that do not occur as headers, which come from the catalogue.
_PLACE, _SIZE, _NUMBER = (
    quote_identifier(name) for name in ("place of the row", "size of the row", "number of the row")
)
_SHOWN = quote_identifier("rows of the range")
_ASCENDING = "'ASC NULLS LAST'"


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

    The sort key (place) of a row is one value: bytes that compare like the columns of the order one after the other.
    Its last component is the number of the row, so keys are unique even if rows are equal in all columns.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, check: Callable[[], None]) -> None:
        self._connection = connection
        self._check = check
        self._tables = 0
        self._kept = self._new_table()
        self._cut: list[SortRange] = []

    def keep(self, query: Query, *, partition: int) -> None:
        """Run the query for the selected partition and store its rows."""
        self._check()
        described = self._connection.execute(f"DESCRIBE\n{query.sql}", dict(query.values)).fetchall()
        kinds = {quote_identifier(row[0]): str(row[1]) for row in described}
        columns = [quote_identifier(name) for name in query.columns]
        by = [*map(quote_identifier, query.order), str(partition), _NUMBER]
        place = ", ".join(f"{column}, {_ASCENDING}" for column in by)
        size = " + ".join([str(_CELL * len(columns)), *(_length(name, kinds[name]) for name in columns)])
        start = f"INSERT INTO {self._kept}" if partition else f"CREATE TEMP TABLE {self._kept} AS"
        # Identifiers and the report's own query; what a caller sent is bound.
        self._connection.execute(
            f"{start} SELECT {', '.join(columns)}, create_sort_key({place}) AS {_PLACE}, {size} AS {_SIZE}\n"  # noqa: S608
            f"FROM (SELECT *, row_number() OVER () AS {_NUMBER} FROM (\n{query.sql}\n))",
            dict(query.values),
        )

    def cut(self, query: Query, *, room: int) -> Query:
        """Divide the stored rows into ranges of at most ``room`` bytes, or of one row.

        Return a query for the rows of the selected range.
        """
        found = self._connection.execute(f"SELECT max({_PLACE}) FROM {self._kept}").fetchone()  # noqa: S608
        last: bytes = found[0] if found and found[0] is not None else b""
        self._cut = list(self._ranges(self._measured(self._kept, b"", last + b"\0"), room))
        columns = ", ".join(map(quote_identifier, query.columns))
        sql = f"SELECT {columns} FROM {_SHOWN} ORDER BY {_PLACE}"  # noqa: S608
        return Query(sql=sql, values={}, columns=query.columns)

    def __len__(self) -> int:
        return len(self._cut)

    def choose(self, number: int) -> None:
        """Select the range whose rows the query of ``cut`` returns; required before the query runs."""
        range_ = self._cut[number]
        self._bound(range_.lower, range_.upper)
        self._connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {_SHOWN} AS SELECT * FROM {range_.table} WHERE {_WITHIN}"  # noqa: S608
        )

    def _ranges(self, whole: SortRange, room: int) -> Iterator[SortRange]:
        """Yield the range itself if it fits; otherwise its subranges in order, in the same or in separate tables."""
        needed = -(-whole.size // room) if whole.rows > 1 else 1
        if needed == 1:
            yield whole
            return
        wanted = int(needed / _FILLED) + 1
        apart = wanted > _MAX_RANGES
        places = [whole.lower, *self._bounds(whole, _at_once(wanted)), whole.upper]
        partitions = [self._part(whole, *ends, apart=apart) for ends in pairwise(places)]
        if apart:
            self._connection.execute(f"DROP TABLE {whole.table}")
        for partition in partitions:
            yield from self._ranges(partition, room)

    def _part(self, whole: SortRange, lower: bytes, upper: bytes, *, apart: bool) -> SortRange:
        """Return a subrange."""
        self._check()
        table = whole.table
        if apart:
            table = self._new_table()
            self._bound(lower, upper)
            self._connection.execute(
                f"CREATE TEMP TABLE {table} AS SELECT * FROM {whole.table} WHERE {_WITHIN}"  # noqa: S608
            )
        return self._measured(table, lower, upper)

    def _bounds(self, whole: SortRange, partitions: int) -> list[bytes]:
        """Return sort keys that divide a range into about ``parts`` non-empty subranges of about the same size."""
        step = max(1, whole.rows // _SAMPLE)
        self._bound(whole.lower, whole.upper)
        sample = self._connection.execute(
            f"SELECT {_PLACE}, {_SIZE} FROM {whole.table} WHERE {_WITHIN} AND hash(rowid) % {step} = 0 "  # noqa: S608
            f"ORDER BY {_PLACE}"
        ).fetchall()
        return _divided(sample, partitions)

    def _measured(self, table: str, lower: bytes, upper: bytes) -> SortRange:
        self._bound(lower, upper)
        found = self._connection.execute(
            f"SELECT count(*), coalesce(sum({_SIZE}), 0) FROM {table} WHERE {_WITHIN}"  # noqa: S608
        ).fetchone()
        rows, size = found or (0, 0)
        return SortRange(table=table, lower=lower, upper=upper, rows=int(rows), size=int(size))

    def _bound(self, lower: bytes, upper: bytes) -> None:
        """Values of the session, which a view may name as well; DuckDB takes them for constants and reads no more of a
        table than it must."""
        self._connection.execute("SET VARIABLE lower_place = $place", {"place": lower})
        self._connection.execute("SET VARIABLE upper_place = $place", {"place": upper})

    def _new_table(self) -> str:
        self._tables += 1
        return quote_identifier(f"kept rows {self._tables}")


_WITHIN = f"{_PLACE} >= getvariable('lower_place') AND {_PLACE} < getvariable('upper_place')"


def _length(column: str, kind: str) -> str:
    """How many bytes a value has beyond those of its cell."""
    if kind == "VARCHAR":
        return f"coalesce(strlen({column}), 0)"
    if _OF_ONE_SIZE.fullmatch(kind):
        return "0"
    return f"coalesce(strlen(CAST({column} AS VARCHAR)), 0)"


def _at_once(wanted: int) -> int:
    """Into how many parts to cut at once what has to become so many: all of them, or a root of their number, so that
    no step reads a table more often than another."""
    steps = 1
    while wanted > _MAX_RANGES**steps:
        steps += 1
    return math.ceil(math.pow(wanted, 1 / steps))


def _divided(sample: Sequence[tuple[bytes, int]], partitions: int) -> list[bytes]:
    """Where a new part begins: at the first place that has as many bytes before it as the parts before should hold."""
    total, begun = sum(size for _, size in sample), 0
    bounds: list[bytes] = []
    for before, (place, _) in zip(accumulate(size for _, size in sample), sample[1:], strict=False):
        if before * partitions // total > begun:
            begun = before * partitions // total
            bounds.append(place)
    # Nearly all bytes are in the last row: that one has to stand alone.
    return bounds or [place for place, _ in sample[-1:]]
