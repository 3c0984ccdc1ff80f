"""The temporary DuckDB database in which a load validates its rows, with bounded memory and its own spill folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from offtake.lake.tables import DUCKDB_TYPES, Table
from offtake.sql_text import comma_separated, quote_identifier

INCOMING = "incoming"  # table of the rows being loaded; ``_faults`` is null in a good row
_SETTINGS: dict[str, str | int | float | list[str]] = {
    "memory_limit": "512MB",
    "threads": 2,
    "preserve_insertion_order": "true",  # line_numbers.py finds lines by the order of rows
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


@contextmanager
def staging() -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to a temporary database; it and its files are removed when the block ends."""
    with tempfile.TemporaryDirectory(prefix="offtake-load-", ignore_cleanup_errors=True) as folder:
        # On disk, not in memory: DuckDB compresses the rows, and the sort before writing can use all memory.
        connection = duckdb.connect(
            str(Path(folder) / "staging.duckdb"), config={**_SETTINGS, "temp_directory": folder}
        )
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()


def create_incoming(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Create the table of incoming rows: the model's columns, the month, and each row's file and faults."""
    model = [f"{quote_identifier(column.name)} {DUCKDB_TYPES[column.type]}" for column in table.columns]
    month = ["month VARCHAR"] if "month" in table.partition_columns else []
    extra = ["_file INTEGER", '_faults STRUCT("column" VARCHAR, "value" VARCHAR, reason VARCHAR)[]', "_raw VARCHAR"]
    connection.execute(f"CREATE OR REPLACE TABLE {INCOMING} (\n    {comma_separated([*model, *month, *extra])}\n)")


def scalar(connection: duckdb.DuckDBPyConnection, sql: str, values: dict[str, object] | None = None) -> int:
    """Return the single integer that a statement yields; 0 for null or no row."""
    row = connection.execute(sql, values or {}).fetchone()
    return int(row[0]) if row and row[0] is not None else 0
