"""Write Parquet files of the lake in bounded memory, whatever the number and the length of the rows.

Row groups are limited by bytes, because a reader holds up to 2,048 rows of one group at a time. Rows are sorted in
ranges of a limited size, one after the other; the files of the ranges are then joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from offtake.lake.buckets import ROW_GROUP_ROWS, bucket_range
from offtake.lake.staging import MEMORY_BYTES, Staging
from offtake.lake.tables import DUCKDB_TYPES, Table
from offtake.model.column_type import ColumnType
from offtake.sql_text import quote_identifier, quote_literal

_FORMAT = "FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE {rows}, ROW_GROUP_SIZE_BYTES '16MiB'"
COPY_OPTIONS = _FORMAT.format(rows=122_880)
_BUCKET_OPTIONS = _FORMAT.format(rows=ROW_GROUP_ROWS)
FILE_BYTES = 128 * 1024 * 1024  # files are joined up to this size
_SORT_BYTES = MEMORY_BYTES // 8  # a sort holds its rows several times
_NARROW_SORT_BYTES = MEMORY_BYTES * 4  # of rows of which 2,048 are small; they spill
_NARROW_BYTES = 1024  # average of a row
_FIXED_BYTES = 16  # of a value in memory, without its text
_SIZE = "_bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A complete file in the staging folder, which holds rows of one month, or of a dimension (None)."""

    path: Path
    rows: int
    bytes: int
    month: str | None
    has_buckets: bool = False  # whether each row has its bucket, and the rows are sorted by ranges of them


def sort_columns(table: Table) -> list[str]:
    """Return the columns by which rows are sorted in files: the event time, then the key.

    A table with a group key is sorted by ranges of its bucket first (``buckets``).
    """
    return list(dict.fromkeys([*([table.event_time] if table.event_time else []), *table.key]))


def key_columns(table: Table) -> str:
    """Return the columns of the key, as SQL."""
    return ", ".join(quote_identifier(name) for name in table.key)


def row_bytes(table: Table) -> str:
    """Return SQL for the size of a row in memory, in bytes."""
    sizes = [str(_FIXED_BYTES * len(table.columns))]
    for column in table.columns:
        name = quote_identifier(column.name)
        if column.type is ColumnType.LIST:
            sizes.append(f"coalesce(list_sum(list_transform({name}, lambda item: strlen(item) + {_FIXED_BYTES})), 0)")
        elif DUCKDB_TYPES[column.type] == "VARCHAR":
            sizes.append(f"coalesce(strlen({name}), 0)")
    return f"CAST({' + '.join(sizes)} AS BIGINT) AS {_SIZE}"


class FileWriter:
    """Writes files of one table into the staging folder."""

    def __init__(self, staging: Staging, table: Table) -> None:
        self._staging = staging
        self._connection = staging.connection
        self._table = table
        self._files = 0

    def write_sorted(self, rows: str, sizes: str, *, month: str | None) -> list[NewFile]:
        """Write the rows of a SELECT, sorted; ``sizes`` is a SELECT of their sort columns and ``row_bytes``."""
        total, average, number = self._row(
            f"SELECT coalesce(sum({_SIZE}), 0), coalesce(avg({_SIZE}), 0), count(*) FROM ({sizes})"  # noqa: S608
        )
        if total == 0:
            return []
        limit = _NARROW_SORT_BYTES if average <= _NARROW_BYTES else _SORT_BYTES
        if total <= limit:
            return [self.write(f"SELECT * FROM ({rows}) ORDER BY {self._order(number)}", month=month)]  # noqa: S608
        files, ranges = [], self._divide(sizes, limit)
        order = self._order(number // ranges)
        for chosen in range(ranges):
            self._choose(chosen)
            selected = f"SELECT * FROM ({rows}) WHERE {self._is_chosen} ORDER BY {order}"  # noqa: S608
            files.append(self.write(selected, month=month))
        return self.join(files, month=month)

    def _order(self, rows: int) -> str:
        """Return the order of so many rows, as SQL."""
        ranges = [] if self._table.group_key is None else [bucket_range(rows)]
        return ", ".join([*ranges, *(quote_identifier(name) for name in sort_columns(self._table))])

    def join(self, files: Sequence[NewFile], *, month: str | None) -> list[NewFile]:
        """Join consecutive files of the staging folder up to ``FILE_BYTES``."""
        joined: list[NewFile] = []
        for group in groups([file.bytes for file in files]):
            members = [files[index] for index in group]
            if len(members) == 1:
                joined += members
                continue
            names = ", ".join(quote_literal(self._staging.engine_path(file.path.name)) for file in members)
            joined.append(self.concatenate(f"SELECT * FROM read_parquet([{names}])", month=month))  # noqa: S608
            for file in members:
                file.path.unlink()
        return joined

    def concatenate(self, rows: str, *, month: str | None, has_buckets: bool = True) -> NewFile:
        """Write the rows of a SELECT in the order of its files, which one thread keeps without buffering them.

        Without ``has_buckets``, one of the files is not sorted by buckets, so the new one is not either.
        """
        self._connection.execute("SET threads = 1")
        self._connection.execute("SET preserve_insertion_order = false")
        try:
            written = self.write(rows, month=month)
            return replace(written, has_buckets=written.has_buckets and has_buckets)
        finally:
            self._connection.execute("RESET preserve_insertion_order")
            self._connection.execute("SET threads = 2")

    def write(self, rows: str, *, month: str | None) -> NewFile:
        """Write the rows of a SELECT to one file."""
        self._files += 1
        name = f"{self._table.name}-{self._files:06}.parquet"
        target = quote_literal(self._staging.engine_path(name))
        has_buckets = self._table.group_key is not None
        options = _BUCKET_OPTIONS if has_buckets else COPY_OPTIONS
        (written,) = self._row(f"COPY ({rows}) TO {target} ({options})")
        path, size = self._staging.path(name), self._staging.path(name).stat().st_size
        return NewFile(path=path, rows=int(written), bytes=size, month=month, has_buckets=has_buckets)

    def _divide(self, sizes: str, limit: int) -> int:
        """Divide the rows into sort ranges of about ``limit`` bytes, and return their number."""
        time = quote_identifier(self._table.event_time) if self._table.event_time else "NULL"
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE sort_range AS "  # noqa: S608
            "SELECT row_number() OVER (ORDER BY lower) - 1 AS number, * FROM ("
            "SELECT min(sort_key) AS lower, max(sort_key) AS upper, min(event_time) AS first, max(event_time) AS last "
            f"FROM (SELECT sort_key, event_time, (sum({_SIZE}) OVER (ORDER BY sort_key) - {_SIZE}) // {limit} AS n "
            f"FROM (SELECT {self._sort_key} AS sort_key, {time} AS event_time, {_SIZE} FROM ({sizes}))) GROUP BY n)"
        )
        (number,) = self._row("SELECT count(*) FROM sort_range")
        return int(number)

    def _row(self, sql: str) -> tuple[Any, ...]:
        found = self._connection.execute(sql).fetchone()
        if found is None:
            raise ValueError("the statement yields no row")
        return found

    def _choose(self, number: int) -> None:
        for bound in ("lower", "upper", "first", "last"):
            self._connection.execute(
                f"SET VARIABLE range_{bound} = (SELECT {bound} FROM sort_range WHERE number = {number})"  # noqa: S608
            )

    @property
    def _is_chosen(self) -> str:
        """SQL: the row is in the chosen range. The event time alone lets a reader skip row groups."""
        chosen = f"{self._sort_key} BETWEEN getvariable('range_lower') AND getvariable('range_upper')"
        if self._table.event_time is None:
            return chosen
        time = quote_identifier(self._table.event_time)
        return f"{time} BETWEEN getvariable('range_first') AND getvariable('range_last') AND {chosen}"

    @property
    def _sort_key(self) -> str:
        columns = ", ".join(f"{quote_identifier(name)}, 'ASC NULLS LAST'" for name in sort_columns(self._table))
        return f"create_sort_key({columns})"


def groups(sizes: Sequence[int]) -> list[list[int]]:
    """Divide the indexes of consecutive files into groups of at most ``FILE_BYTES`` together, or one larger file."""
    found: list[list[int]] = []
    total = 0
    for index, size in enumerate(sizes):
        if found and total + size <= FILE_BYTES:
            found[-1].append(index)
            total += size
        else:
            found.append([index])
            total = size
    return found
