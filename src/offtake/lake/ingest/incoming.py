"""The incoming rows of a load: a table of the chunk that was read last, and the good rows of all chunks.

The rows are kept in Parquet files of the staging folder, because DuckDB cannot check-point a table of long texts in
bounded memory. The table ``incoming`` has what an upsert decides by: key, event time, month, position and size.
"""

from __future__ import annotations

import duckdb

from offtake.lake.staging import Staging
from offtake.lake.tables import DUCKDB_TYPES, Table
from offtake.lake.writer import COPY_OPTIONS, row_bytes, sort_columns
from offtake.sql_text import comma_separated, quote_identifier, quote_literal

ARRIVING = "arriving"  # table of the chunk's rows; ``_faults`` is null in a good row
INCOMING = "incoming"  # table of all good rows, without their other columns; ``_position`` is their order
ROWS = "incoming_files"  # session variable: the files that hold the rows
POSITION = "_position"
SIZE = "_bytes"
RANK = "_rank"  # sorts rows with the same key before their positions do


class Incoming:
    """The rows of one load into ``table``."""

    def __init__(self, staging: Staging, table: Table, *, keeps_first: bool = False) -> None:
        self.staging = staging
        self.table = table
        self.keeps_first = keeps_first  # of rows with the same key the first one, not the last, by rank and position
        self._files: list[str] = []
        self._next = 0  # position
        types = {name: f"{quote_identifier(name)} {sql_type}" for name, sql_type in table.stored_columns}
        columns = [types[name] for name in self._index]
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {INCOMING} "
            f"({comma_separated(columns)}, {RANK} BLOB, {POSITION} BIGINT, {SIZE} BIGINT)"
        )
        self.clear()

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The database of the load."""
        return self.staging.connection

    @property
    def _index(self) -> list[str]:
        """Names of the columns that ``incoming`` has."""
        return [*(["month"] if self.table.event_time else []), *sort_columns(self.table)]

    def clear(self) -> None:
        """Make the table ``arriving`` new and empty: the model's columns, the month, the faults and the raw row."""
        model = [f"{quote_identifier(column.name)} {DUCKDB_TYPES[column.type]}" for column in self.table.columns]
        month = ["month VARCHAR"] if self.table.event_time else []
        extra = ['_faults STRUCT("column" VARCHAR, "value" VARCHAR, reason VARCHAR)[]', "_raw VARCHAR"]
        extra += ["_left_out BOOLEAN", f"{RANK} BLOB"]  # both only with a mapping that needs them
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {ARRIVING} (\n    {comma_separated([*model, *month, *extra])}\n)"
        )

    def keep(self) -> None:
        """Keep the good rows of ``arriving``, and clear it."""
        names = [*(["month"] if self.table.event_time else []), *self.table.by_name]
        file = self.staging.engine_path(f"incoming-{len(self._files):06}.parquet")
        position = f"{self._next} + rowid AS {POSITION}"
        good = f"FROM {ARRIVING} WHERE _faults IS NULL AND _left_out IS NOT TRUE"
        index = comma_separated([quote_identifier(name) for name in self._index])
        size = row_bytes(self.table)
        inserted = self.connection.execute(
            f"INSERT INTO {INCOMING} SELECT {index}, {RANK}, {position}, {size} {good}"
        ).fetchone()
        if inserted and inserted[0]:
            columns = comma_separated([*(quote_identifier(name) for name in names), position])
            self.connection.execute(f"COPY (SELECT {columns} {good}) TO {quote_literal(file)} ({COPY_OPTIONS})")
            self._files.append(file)
        rows = self.connection.execute(f"SELECT coalesce(max(rowid) + 1, 0) FROM {ARRIVING}").fetchone()  # noqa: S608
        self._next += int(rows[0]) if rows else 0
        self.clear()

    def left_out(self) -> int:
        """Return how many rows of ``arriving`` a filter leaves out."""
        return scalar(self.connection, f"SELECT count(*) FROM {ARRIVING} WHERE _left_out")  # noqa: S608

    def expose(self) -> None:
        """Set the session variable ``ROWS``."""
        self.connection.execute(f"SET VARIABLE {ROWS} = $files", {"files": self._files})


def scalar(connection: duckdb.DuckDBPyConnection, sql: str, values: dict[str, object] | None = None) -> int:
    """Return the single integer that a statement yields; 0 for null or no row."""
    row = connection.execute(sql, values or {}).fetchone()
    return int(row[0]) if row and row[0] is not None else 0
