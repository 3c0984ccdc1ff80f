"""The private DuckDB database in which a load prepares its rows: bounded memory, spilling to a folder of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from offtake.lake.sqltext import comma, quoted
from offtake.lake.tables import DUCKDB_TYPES, Table

INCOMING = "incoming"  # the rows on their way into the lake; ``_faults`` is null in a good row
_SETTINGS: dict[str, str | int | float | list[str]] = {
    "memory_limit": "512MB",
    "threads": 2,
    "preserve_insertion_order": "true",  # a row's place in its file is how its line is found
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


@contextmanager
def staging() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database that is gone, temporary files included, when the block ends."""
    with tempfile.TemporaryDirectory(prefix="offtake-load-", ignore_cleanup_errors=True) as folder:
        # A file, not memory: rows are compressed there, and the sort before writing has the memory for itself.
        connection = duckdb.connect(
            str(Path(folder) / "staging.duckdb"), config={**_SETTINGS, "temp_directory": folder}
        )
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()


def create_incoming(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """The table all sources are read into: the model's columns, the partition month, and where each row came from."""
    own = [f"{quoted(column.name)} {DUCKDB_TYPES[column.type]}" for column in table.columns]
    month = ["month VARCHAR"] if "month" in table.partition_columns else []
    extra = ["_file INTEGER", '_faults STRUCT("column" VARCHAR, "value" VARCHAR, reason VARCHAR)[]', "_raw VARCHAR"]
    connection.execute(f"CREATE OR REPLACE TABLE {INCOMING} (\n    {comma([*own, *month, *extra])}\n)")


def scalar(connection: duckdb.DuckDBPyConnection, sql: str, values: dict[str, object] | None = None) -> int:
    """The one number a statement yields."""
    found = connection.execute(sql, values or {}).fetchone()
    return int(found[0]) if found and found[0] is not None else 0
