"""The rows of a report that has an order, kept on disk and cut into stretches of it that fit into memory one at a time.

A sort of all rows needs the more memory the more and the longer they are (DuckDB 2.0: 200,000 rows of 4 kB fail in
256 MiB with one thread). Only what never holds rows back is done with all of them: they are written to a table, and
where one table would have to be read too often, from there to several, each for some part of the order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import duckdb

from offtake.engine.render import identifier
from offtake.model.query import Query

# A table is read once for each of its stretches. Writing it again costs about as much as reading it four to eight
# times; at this number of stretches all of it together grows least with the rows.
_READ_AT_MOST = 16
_SAMPLE = 1_000  # rows that stand for all of a table; what they get wrong is measured and cut again
_FILLED = 0.75  # of the room that a stretch has, so that one that was estimated too small still fits
_CELL = 16  # bytes of a value at least
# Types whose values are no larger than that.
_OF_ONE_SIZE = re.compile(
    r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|(BOOLEAN|DATE|DECIMAL|DOUBLE|FLOAT|INTERVAL|TIME|UUID)[^\[]*"
)
# Names that no header has: those come from the catalogue.
_PLACE, _SIZE, _NUMBER = (identifier(name) for name in ("place of the row", "size of the row", "number of the row"))
_SHOWN = identifier("rows of the stretch")
_ASCENDING = "'ASC NULLS LAST'"


@dataclass(frozen=True, slots=True, kw_only=True)
class SortRange:
    """Rows of a table from one place to before another, and the bytes they have."""

    table: str
    lower: bytes
    upper: bytes
    rows: int
    size: int


class ExternalSort:
    """Keeps rows, then cuts them. ``check`` is called between statements, to raise when the session is to stop.

    A place is what a row is sorted by as one value, bytes that compare as the columns of the order do one after the
    other. The number of the row is its last part, so no two are equal, however many rows are alike in those columns.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, check: Callable[[], None]) -> None:
        self._connection = connection
        self._check = check
        self._tables = 0
        self._kept = self._new_table()
        self._cut: list[SortRange] = []

    def keep(self, query: Query, *, partition: int) -> None:
        """Make the rows of the query's chosen part and add them to those that are kept."""
        self._check()
        described = self._connection.execute(f"DESCRIBE\n{query.sql}", dict(query.values)).fetchall()
        kinds = {identifier(row[0]): str(row[1]) for row in described}
        columns = [identifier(name) for name in query.columns]
        by = [*map(identifier, query.order), str(partition), _NUMBER]
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
        """Cut what was kept into stretches of at most ``room`` bytes, though of one row at least; answers a query for
        the rows of the chosen one."""
        found = self._connection.execute(f"SELECT max({_PLACE}) FROM {self._kept}").fetchone()  # noqa: S608
        last: bytes = found[0] if found and found[0] is not None else b""
        self._cut = list(self._ranges(self._measured(self._kept, b"", last + b"\0"), room))
        columns = ", ".join(map(identifier, query.columns))
        sql = f"SELECT {columns} FROM {_SHOWN} ORDER BY {_PLACE}"  # noqa: S608
        return Query(sql=sql, values={}, columns=query.columns)

    def __len__(self) -> int:
        return len(self._cut)

    def choose(self, number: int) -> None:
        """Which stretch the query that ``cut`` answered has the rows of; it must be chosen before."""
        range_ = self._cut[number]
        self._bound(range_.lower, range_.upper)
        self._connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {_SHOWN} AS SELECT * FROM {range_.table} WHERE {_WITHIN}"  # noqa: S608
        )

    def _ranges(self, whole: SortRange, room: int) -> Iterator[SortRange]:
        """The stretch itself where it fits; else its parts, in order, in the same table or in tables of their own."""
        needed = -(-whole.size // room) if whole.rows > 1 else 1
        if needed == 1:
            yield whole
            return
        wanted = int(needed / _FILLED) + 1
        apart = wanted > _READ_AT_MOST
        places = [whole.lower, *self._bounds(whole, _at_once(wanted)), whole.upper]
        partitions = [self._part(whole, *ends, apart=apart) for ends in pairwise(places)]
        if apart:
            self._connection.execute(f"DROP TABLE {whole.table}")
        for partition in partitions:
            yield from self._ranges(partition, room)

    def _part(self, whole: SortRange, lower: bytes, upper: bytes, *, apart: bool) -> SortRange:
        """A part of a stretch."""
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
        """Places that divide a stretch into about so many parts of about as many bytes; none of them is empty."""
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
        return identifier(f"kept rows {self._tables}")


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
    while wanted > _READ_AT_MOST**steps:
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
