"""The yardstick of an export: its SQL as a bare DuckDB COPY, in a process of its own.

``bench_export.py`` runs it with a JSON object on standard input. It prints the seconds of the COPY and the peak memory.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from typing import Any

import duckdb

from offtake.sql_text import quote_identifier, quote_literal, select_typed
from process_memory import peak_mb

OPTIONS = {
    "csv": "FORMAT csv, HEADER true",
    "json": "FORMAT json, ARRAY true",
    "json_bulk": "FORMAT json",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}


def main() -> None:
    """Read the specification, copy, and print the result."""
    specification: dict[str, Any] = json.load(sys.stdin)
    connection = duckdb.connect(
        config={"threads": specification["threads"], "memory_limit": f"{specification['memory_mb']}MB"}
    )
    connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
    for view in specification["views"]:
        _expose(connection, view)
    connection.execute(specification["macros"])
    values = {name: _value(value) for name, value in specification["values"].items()}
    target = quote_literal(specification["target"])
    began = time.perf_counter()
    counted = connection.execute(
        f"COPY (\n{specification['sql']}\n) TO {target} ({OPTIONS[specification['format']]})", values
    )
    rows = counted.fetchone()
    seconds = time.perf_counter() - began
    json.dump({"seconds": seconds, "rows": rows[0] if rows else 0, "peak_mb": peak_mb(["self"])}, sys.stdout)


def _expose(connection: duckdb.DuckDBPyConnection, view: dict[str, Any]) -> None:
    """Create a view of a table's files; columns that no file has are null."""
    files = f"files of {view['table']}" if view["files"] else None
    if files is not None:
        connection.execute(f"SET VARIABLE {quote_identifier(files)} = $files", {"files": view["files"]})
    connection.execute(
        f"CREATE TEMP VIEW {quote_identifier(view['table'])} AS {select_typed(view['columns'], files=files)}"
    )


def _value(value: Any) -> Any:
    """Return a bound value; an instant arrives as ``{"instant": …}``."""
    return datetime.fromisoformat(value["instant"]) if isinstance(value, dict) else value


if __name__ == "__main__":
    main()
