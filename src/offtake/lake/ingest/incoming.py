"""The incoming rows of a load: a table of the chunk that was read last, and the good rows of all chunks.

The rows are kept in Parquet files of the staging folder, because DuckDB cannot check-point a table of long texts in
bounded memory. The table ``incoming`` has what an upsert decides by: key, event time, month, position and size.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb

from offtake.lake.staging import Staging
from offtake.lake.tables import DUCKDB_TYPES, LOAD_VERSION, Table
from offtake.lake.writer import COPY_OPTIONS, key_columns, row_bytes, sort_columns
from offtake.sql_text import comma_separated, quote_identifier, quote_literal

ARRIVING = "arriving"  # table of the chunk's rows; ``_faults`` is null in a good row
INCOMING = "incoming"  # table of all good rows, without their other columns; ``_position`` is their order
MARKED_KEYS = "marked_keys"  # table of the keys of rows that are marked for deletion
POSITION = "_position"
MARKED = "_marked"  # true: the row says that the row with its key is to be deleted
_ROWS = "incoming_files"  # session variable: the files that hold the rows
SIZE = "_bytes"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RANK = "_rank"  # sorts rows with the same key before their positions do


class Incoming:
    """The rows of one load into ``table``. ``restores``: the rows have the column of their load's version, too."""

    def __init__(self, staging: Staging, table: Table, *, restores: bool = False, keeps_first: bool = False) -> None:
        self.staging = staging
        self.table = table
        self.restores = restores
        self.keeps_first = keeps_first  # of rows with the same key the first one, not the last, by rank and position
        self._files: list[str] = []
        self._next = 0  # position
        self._is_complete = True  # whether each row of the files is in the table ``incoming``
        types = {name: f"{quote_identifier(name)} {sql_type}" for name, sql_type in table.stored_columns}
        columns = [types[name] for name in self._index]
        own = [f"{RANK} BLOB", f"{POSITION} BIGINT", f"{SIZE} BIGINT", f"{MARKED} BOOLEAN"]
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {INCOMING} ({comma_separated([*columns, *own])})")
        self.clear()

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The database of the load."""
        return self.staging.connection

    @property
    def _index(self) -> list[str]:
        """Names of the columns that ``incoming`` has."""
        return [*(["month"] if self.table.event_time else []), *sort_columns(self.table)]

    @property
    def _columns(self) -> list[str]:
        """Names of the columns that the files have, without the position."""
        month = ["month"] if self.table.event_time else []
        return [*month, *self.table.by_name, *([LOAD_VERSION] if self.restores else [])]

    def clear(self) -> None:
        """Make the table ``arriving`` new and empty: the model's columns, the month, the faults and the raw row."""
        model = [f"{quote_identifier(column.name)} {DUCKDB_TYPES[column.type]}" for column in self.table.columns]
        month = ["month VARCHAR"] if self.table.event_time else []
        version = [f"{LOAD_VERSION} BIGINT"] if self.restores else []
        faults = ['_faults STRUCT("column" VARCHAR, "value" VARCHAR, reason VARCHAR)[]', "_raw VARCHAR"]
        mapped = ["_left_out BOOLEAN", f"{RANK} BLOB"]  # both only with a mapping that needs them
        columns = [*model, *month, *version, *faults, *mapped, f"{MARKED} BOOLEAN"]
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {ARRIVING} (\n    {comma_separated(columns)}\n)")

    def keep(self) -> None:
        """Keep the good rows of ``arriving``, and clear it."""
        file = self.staging.engine_path(f"incoming-{len(self._files):06}.parquet")
        position = f"{self._next} + rowid AS {POSITION}"
        good = f"FROM {ARRIVING} WHERE _faults IS NULL AND _left_out IS NOT TRUE"
        index = comma_separated([quote_identifier(name) for name in self._index])
        size = row_bytes(self.table)
        inserted = self.connection.execute(
            f"INSERT INTO {INCOMING} SELECT {index}, {RANK}, {position}, {size}, coalesce({MARKED}, false) {good}"
        ).fetchone()
        if inserted and inserted[0]:
            columns = comma_separated([*(quote_identifier(name) for name in self._columns), position])
            self.connection.execute(f"COPY (SELECT {columns} {good}) TO {quote_literal(file)} ({COPY_OPTIONS})")
            self._files.append(file)
        rows = self.connection.execute(f"SELECT coalesce(max(rowid) + 1, 0) FROM {ARRIVING}").fetchone()  # noqa: S608
        self._next += int(rows[0]) if rows else 0
        self.clear()

    def add(self, rows: str) -> None:
        """Add the rows of a SELECT, which need no check: the model's columns, the month and, in ``restores``, the
        version of their load."""
        file = self.staging.engine_path(f"incoming-{len(self._files):06}.parquet")
        names = comma_separated(quote_identifier(name) for name in self._columns)
        position = f"{self._next} + row_number() OVER () AS {POSITION}"
        added = scalar(
            self.connection,
            f"COPY (SELECT {names}, {position} FROM ({rows})) TO {quote_literal(file)} ({COPY_OPTIONS})",  # noqa: S608
        )
        index = comma_separated(quote_identifier(name) for name in self._index)
        self.connection.execute(
            f"INSERT INTO {INCOMING} SELECT {index}, NULL, {POSITION}, {row_bytes(self.table)}, false "  # noqa: S608
            f"FROM read_parquet({quote_literal(file)})"
        )
        self._files.append(file)
        self._next += added + 1

    def mark(self, keys: str) -> None:
        """Add the rows of a SELECT that yields keys, in their order, as marked for deletion."""
        names = key_columns(self.table)
        self._next += (
            scalar(
                self.connection,
                f"INSERT INTO {INCOMING} BY NAME SELECT {names}, {self._next} + row_number() OVER () AS {POSITION}, "  # noqa: S608
                f"0 AS {SIZE}, true AS {MARKED} FROM ({keys})",
            )
            + 1
        )

    def keep_one(self) -> int:
        """Keep one row of each key, the last by rank and position or the first; return the number of the others."""
        keys = key_columns(self.table)
        same = [f"{INCOMING}.{quote_identifier(name)} = duplicate.{quote_identifier(name)}" for name in self.table.key]
        first_or_last = "arg_min" if self.keeps_first else "arg_max"
        kept = f"{first_or_last}({POSITION}, {{'rank': {RANK}, 'position': {POSITION}}})"
        dropped = scalar(
            self.connection,
            f"DELETE FROM {INCOMING} USING (SELECT {keys}, {kept} AS kept FROM {INCOMING} "  # noqa: S608
            f"GROUP BY {keys} HAVING count(*) > 1) AS duplicate "
            f"WHERE {' AND '.join(same)} AND {INCOMING}.{POSITION} <> duplicate.kept",
        )
        self._is_complete = self._is_complete and not dropped
        return dropped

    def separate_marked(self) -> int:
        """Move the keys of the rows that are marked for deletion to ``marked_keys``; return their number."""
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {MARKED_KEYS} AS "  # noqa: S608
            f"SELECT {key_columns(self.table)} FROM {INCOMING} WHERE {MARKED}"
        )
        marked = scalar(self.connection, f"DELETE FROM {INCOMING} WHERE {MARKED}")  # noqa: S608
        self._is_complete = self._is_complete and not marked
        return marked

    def left_out(self) -> int:
        """Return how many rows of ``arriving`` a filter leaves out."""
        return scalar(self.connection, f"SELECT count(*) FROM {ARRIVING} WHERE _left_out")  # noqa: S608

    def newest_event(self) -> datetime | None:
        """Return the newest event time of the rows that are not marked; None without rows, or in a dimension."""
        if self.table.event_time is None:
            return None
        newest = f"epoch_us(max({quote_identifier(self.table.event_time)}))"
        found = self.connection.execute(f"SELECT {newest} FROM {INCOMING} WHERE NOT {MARKED}").fetchone()  # noqa: S608
        return None if found is None or found[0] is None else _EPOCH + timedelta(microseconds=int(found[0]))

    def rows(self) -> str:
        """Return a SELECT of the rows in ``incoming`` with all their columns and their position."""
        self.connection.execute(f"SET VARIABLE {_ROWS} = $files", {"files": self._files})
        selected = f"SELECT * FROM read_parquet(getvariable({quote_literal(_ROWS)}))"  # noqa: S608
        if self._is_complete:
            return selected
        return f"{selected} WHERE {POSITION} IN (SELECT {POSITION} FROM {INCOMING})"  # noqa: S608

    def months(self, condition: str) -> list[str | None]:
        """Return the months of the rows that fulfil a condition; None stands for a dimension, which has no months."""
        month = "month" if self.table.event_time else "NULL"
        found = self.connection.execute(f"SELECT DISTINCT {month} FROM {INCOMING} WHERE {condition}")  # noqa: S608
        return sorted((row[0] for row in found.fetchall()), key=str)


def scalar(connection: duckdb.DuckDBPyConnection, sql: str, values: dict[str, object] | None = None) -> int:
    """Return the single integer that a statement yields; 0 for null or no row."""
    row = connection.execute(sql, values or {}).fetchone()
    return int(row[0]) if row and row[0] is not None else 0
