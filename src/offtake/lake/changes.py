"""What changed in a table between two versions: for readers that follow a table in steps.

A row knows the version of the commit that last changed it, and a commit that deletes rows leaves tombstones. So the
changes after version v1 up to v2 are the rows of v2 with a version greater than v1, and the tombstones of the commits
in between. A reader that has the rows of v1, removes the deleted keys and stores the changed rows has the rows of v2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from offtake.errors import LakeVersionGone
from offtake.lake.change_log import changes_after
from offtake.lake.delta import Lake, LakeFile, storage_faults
from offtake.lake.tables import VERSION, Table
from offtake.lake.tombstones import tombstone_files
from offtake.lake.writer import key_columns
from offtake.sql_text import quote_identifier, select_typed

CHANGED = "changed"  # view of the rows of the newer version that changed: all stored columns, and the hidden ones
DELETED = "deleted"  # view of the deleted keys that the newer version lacks: key, event_time, version, change_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFiles:
    """The files of the changes after version ``after`` up to ``until``, before they are local."""

    after: int
    until: int
    rows: Sequence[LakeFile]
    tombstones: Sequence[LakeFile]


def locate_changes(lake: Lake, table: Table, *, tenant: str, after: int, until: int | None = None) -> ChangeFiles:
    """Locate a tenant's changes after a version up to ``until``, or the newest one.

    Rows that were stored before the lake kept versions count as older than every version. Raises LakeVersionGone if the
    table, its log or its files do not reach back so far, or if tombstones were removed since, by their age or by the
    erasure of a person: read the whole table then. Raises StorageUnavailable.
    """
    newest = lake.open(table)
    if newest is None or newest.version() < after:
        raise LakeVersionGone(f"The lake table {table.name} has no version {after}.")
    delta = newest if until is None else lake.open_version(table, until)
    with storage_faults(table):
        entries = [entry for entry in changes_after(newest, after) if entry.version <= delta.version()]
    rows = lake.files(delta, table, tenant) if entries else ()
    require_files(lake, table, tenant, rows)
    return ChangeFiles(
        after=after, until=delta.version(), rows=rows, tombstones=tombstone_files(lake, entries, table, tenant)
    )


def require_files(lake: Lake, table: Table, tenant: str, files: Sequence[LakeFile]) -> None:
    """Raise LakeVersionGone unless the storage has all files; the log tells nothing about removed ones."""
    if not files:
        return
    with storage_faults(table):
        present = {file.name for file in lake.storage.files(f"{table.name}/tenant={tenant}")}
    if not present.issuperset(file.path for file in files):
        raise LakeVersionGone(f"The lake table {table.name} no longer has the files of an earlier version.")


@contextmanager
def change_views(
    lake: Lake, table: Table, changes: ChangeFiles, connection: duckdb.DuckDBPyConnection
) -> Iterator[None]:
    """Create the views ``changed`` and ``deleted``, readable while the block runs. Raises StorageUnavailable."""
    with lake.local([*changes.rows, *changes.tombstones]) as local, storage_faults(table):
        rows, tombstones = local[: len(changes.rows)], local[len(changes.rows) :]
        expose(connection, "newer", table.file_columns, rows)
        condition = f"{VERSION} > {int(changes.after)}"
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {CHANGED} AS SELECT * FROM newer WHERE {condition}")  # noqa: S608
        expose_tombstones(connection, "tombstones", table, tombstones)
        keys = key_columns(table)
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {DELETED} AS SELECT * FROM tombstones ANTI JOIN newer USING ({keys}) "  # noqa: S608
            f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY version DESC) = 1"
        )
        yield


def expose(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Iterable[tuple[str, str]], files: Sequence[LakeFile]
) -> None:
    """Create a view of the rows in local files with these columns, name and DuckDB type; null where files lack one."""
    connection.execute(f"SET VARIABLE {quote_identifier(name)} = $files", {"files": [file.path for file in files]})
    selected = select_typed(columns, files=name if files else None)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {quote_identifier(name)} AS {selected}")


def expose_tombstones(
    connection: duckdb.DuckDBPyConnection, name: str, table: Table, files: Sequence[LakeFile]
) -> None:
    """Create a view of tombstones in local files: key, event_time, version, change_id."""
    types = dict(table.stored_columns)
    columns = [(key, types[key]) for key in table.key]
    columns += [("event_time", "TIMESTAMP WITH TIME ZONE"), ("version", "BIGINT"), ("change_id", "VARCHAR")]
    names = ", ".join(quote_identifier(column) for column, _ in columns)
    expose(connection, f"{name}_files", columns, files)
    files_view = quote_identifier(f"{name}_files")
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {quote_identifier(name)} AS SELECT {names} FROM {files_view}")  # noqa: S608
