"""The locked database of a session: private, in memory, with its own limits.

Two independent barriers separate tenants in every query, also in those of custom reports. First, the database is locked
once the views exist: it reads only the files of the views and writes only the staging file, and DuckDB refuses every
other path. Second, each view shows only the files in the folders of the session's tenant (``tenant=…/``), whichever
files it is given.

The rows of a file belong to the tenant of its folder; a column ``tenant`` inside the file has no effect. A load refuses
rows of other tenants, and the lake's writer stores the tenant in the path only. The second barrier needs queries that
read nothing but the views, so the catalogue refuses all others (``catalogue/permitted_sql.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from offtake.engine.driver_errors import translate_errors
from offtake.model.view import TableView
from offtake.sql_text import quote_identifier, select_typed


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Resource limits of one attempt.

    A query with ``fixed_join_sides`` keeps in memory the table of a join that it names last. DuckDB's estimates would
    sometimes choose the other one with its long rows.
    """

    threads: int
    memory_mb: int
    temp_folder: Path
    temp_mb: int
    fixed_join_sides: bool = False


def open_database(
    limits: Limits, views: Sequence[TableView], *, tenant: str, writable: Sequence[Path]
) -> duckdb.DuckDBPyConnection:
    """Open a database with the views of the tenant, which reads only their files and writes only ``writable``."""
    connection = duckdb.connect(
        config={
            "threads": limits.threads,
            # The thread that runs the query also writes the file. With separate writer threads, an interrupt can
            # cause a deadlock (DuckDB 2.0: with one thread after four interrupts, with eight once in hundreds).
            "async_threads": 0,
            "memory_limit": f"{limits.memory_mb}MiB",
            "temp_directory": str(limits.temp_folder),
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )
    try:
        with translate_errors():
            _prepare(connection, limits, views, tenant=tenant, writable=writable)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(
    connection: duckdb.DuckDBPyConnection,
    limits: Limits,
    views: Sequence[TableView],
    *,
    tenant: str,
    writable: Sequence[Path],
) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    # As an option of the connection, DuckDB reports this limit but does not enforce it (1.5 to 2.0).
    connection.execute("SET max_temp_directory_size = $size", {"size": f"{limits.temp_mb}MiB"})
    connection.execute("SET VARIABLE tenant = $tenant", {"tenant": tenant})
    for view in views:
        _create_view(connection, view)
    # An operator would copy the rows of small vectors together, up to 2,048, in memory that DuckDB does not count (2.0:
    # after two joins, 12 rows of 16 MB take 250 MB beyond the limit).
    connection.execute("SET enable_caching_operators = false")
    if limits.fixed_join_sides:
        connection.execute("SET disabled_optimizers = 'build_side_probe_side'")
    allowed = [*(file for view in views for file in view.files), *map(str, writable)]
    connection.execute("SET allowed_paths = $paths", {"paths": allowed})
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _create_view(connection: duckdb.DuckDBPyConnection, view: TableView) -> None:
    """Create the view of a table: the rows in those of its files that are in the tenant's folders.

    When DuckDB plans a query, it compares the tenant with the names of the files (``tenant=…/``). So it does not
    scan files of another tenant, and the condition costs nothing on the tenant's own files. Hidden columns of the
    files are left out.

    The names of the files are in a variable. In the text of the view, 3,000 names would take 17 MiB more memory,
    and would not be secret either: a query that can read variables can read the texts of views.
    """
    variable = f"files of {view.table}" if view.files else None
    if variable is not None:
        connection.execute(f"SET VARIABLE {quote_identifier(variable)} = $files", {"files": list(view.files)})
    rows = select_typed(view.columns, files=variable, condition="tenant = getvariable('tenant')")
    names = ", ".join(quote_identifier(name) for name, _ in view.columns)  # the files have hidden columns, too
    connection.execute(f"CREATE TEMP VIEW {quote_identifier(view.table)} AS SELECT {names} FROM ({rows})")  # noqa: S608
