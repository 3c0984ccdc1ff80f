"""Upsert: store the incoming rows in one commit, with one row per key.

An upsert reads existing keys and then writes; two concurrent upserts that read the same version would insert a key
twice. So a commit succeeds only on top of the version that was read: if another writer committed in between, the
table's log refuses it, and the upsert starts again on the newest version.

If all keys are new, the rows are appended. Otherwise one commit rewrites the months that hold an incoming key or
receive a row. DuckDB does this in bounded memory, sorted by event time; a row whose event time changed moves to its
new month.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from offtake.errors import StorageUnavailable
from offtake.lake.delta import WRITER, Lake, LakeFile, storage_faults
from offtake.lake.ingest.staging import INCOMING, scalar
from offtake.lake.tables import Table
from offtake.model.tenant import TENANT_NAME
from offtake.sql_text import comma_separated, quote_identifier, quote_literal, select_typed

_ATTEMPTS = 20
_NO_REBASE = CommitProperties(max_commit_retries=0)  # commit on top of the version that was read, or fail


@dataclass(frozen=True, slots=True, kw_only=True)
class Upserted:
    """Number of good rows, by what happened to them."""

    inserted: int
    updated: int
    superseded: int


def upsert(connection: duckdb.DuckDBPyConnection, lake: Lake, table: Table, *, tenant: str) -> Upserted:
    """Store the incoming rows that have no faults; without a good row, nothing is committed.

    Call it under ``Lake.writing``, which avoids conflicting commits on this machine. Raises StorageUnavailable.
    """
    if not TENANT_NAME.fullmatch(tenant):
        raise ValueError("not a tenant name")  # it is part of a predicate and of folder names
    superseded = _keep_latest(connection, table)
    total = scalar(connection, f"SELECT count(*) FROM {INCOMING}")  # noqa: S608
    if total == 0:
        return Upserted(inserted=0, updated=0, superseded=superseded)
    connection.execute("SET VARIABLE tenant = $tenant", {"tenant": tenant})
    for _ in range(_ATTEMPTS):
        updated = _store(connection, lake, table, tenant=tenant)
        if updated is not None:
            return Upserted(inserted=total - updated, updated=updated, superseded=superseded)
    message = (
        f"Gave up after {_ATTEMPTS} conflicting commits to {table.name}; another writer is busy. Load again later."
    )
    raise StorageUnavailable(message)


def _store(connection: duckdb.DuckDBPyConnection, lake: Lake, table: Table, *, tenant: str) -> int | None:
    """Commit the rows; return how many keys existed before, or None if another writer committed in between."""
    delta = lake.create(table)
    with lake.local(lake.files(delta, table, tenant)) as files, storage_faults(table):
        updated, months = _existing_keys(connection, table, files)
        try:
            if updated == 0:
                _append(connection, delta, table)
            else:
                _replace(connection, delta, table, tenant=tenant, files=files, months=months)
        except CommitFailedError:
            return None
    return updated


def _keep_latest(connection: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Remove bad rows, and rows that a later row with the same key replaces; return the number of the latter."""
    keys = _keys(table)
    connection.execute(f"DELETE FROM {INCOMING} WHERE _faults IS NOT NULL")  # noqa: S608
    connection.execute(
        f"DELETE FROM {INCOMING} USING (SELECT {keys}, max(rowid) AS latest FROM {INCOMING} "  # noqa: S608
        f"GROUP BY {keys} HAVING count(*) > 1) AS duplicate "
        f"WHERE {_same_key(table, INCOMING, 'duplicate')} AND {INCOMING}.rowid < duplicate.latest"
    )
    deleted = connection.fetchone()
    return int(deleted[0]) if deleted else 0


def _existing_keys(
    connection: duckdb.DuckDBPyConnection, table: Table, files: Sequence[LakeFile]
) -> tuple[int, frozenset[str]]:
    """Return how many incoming keys are stored already, and the months that hold them."""
    if not files:
        return 0, frozenset()
    _expose_stored(connection, table, files)
    month = "month" if "month" in table.partition_columns else "''"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE existing AS SELECT DISTINCT {_keys(table)}, {month} AS month "  # noqa: S608
        f"FROM stored SEMI JOIN {INCOMING} USING ({_keys(table)})"
    )
    updated = scalar(connection, f"SELECT count(*) FROM {INCOMING} SEMI JOIN existing USING ({_keys(table)})")  # noqa: S608
    months = connection.execute("SELECT DISTINCT month FROM existing").fetchall()
    return updated, frozenset(str(row[0]) for row in months)


def _expose_stored(connection: duckdb.DuckDBPyConnection, table: Table, files: Sequence[LakeFile]) -> None:
    """The tenant's rows in these files as ``stored``: older files that lack a column of the model have null there."""
    connection.execute("SET VARIABLE stored_files = $files", {"files": [file.path for file in files]})
    rows = select_typed(table.stored_columns, files="stored_files")
    connection.execute(f"CREATE OR REPLACE TEMP VIEW stored AS {rows}")


def _append(connection: duckdb.DuckDBPyConnection, delta: DeltaTable, table: Table) -> None:
    rows = connection.sql(f"{_incoming(table)} ORDER BY {_sort_columns(table)}, rowid")
    write_deltalake(
        delta, rows, mode="append", schema_mode="merge", writer_properties=WRITER, commit_properties=_NO_REBASE
    )


def _replace(
    connection: duckdb.DuckDBPyConnection,
    delta: DeltaTable,
    table: Table,
    *,
    tenant: str,
    files: Sequence[LakeFile],
    months: frozenset[str],
) -> None:
    """Rewrite the affected months: their rows without the incoming keys, plus the incoming rows."""
    predicate = f"tenant = {quote_literal(tenant)}"
    if "month" in table.partition_columns:
        incoming = connection.execute(f"SELECT DISTINCT month FROM {INCOMING}").fetchall()  # noqa: S608
        affected = sorted(months.union(str(row[0]) for row in incoming))
        predicate += f" AND month IN ({', '.join(quote_literal(month) for month in affected)})"
        files = [file for file in files if file.month in affected]
    _expose_stored(connection, table, files)
    rows = connection.sql(
        f"SELECT * FROM (SELECT * FROM stored ANTI JOIN {INCOMING} USING ({_keys(table)}) "  # noqa: S608
        f"UNION ALL BY NAME {_incoming(table)}) ORDER BY {_sort_columns(table)}"
    )
    write_deltalake(
        delta,
        rows,
        mode="overwrite",
        predicate=predicate,
        schema_mode="merge",
        writer_properties=WRITER,
        commit_properties=_NO_REBASE,
    )


def _incoming(table: Table) -> str:
    month = ["month"] if "month" in table.partition_columns else []
    columns = [*(quote_identifier(column.name) for column in table.columns), "getvariable('tenant') AS tenant", *month]
    return f"SELECT {comma_separated(columns)}\nFROM {INCOMING}"


def _sort_columns(table: Table) -> str:
    """Return the sort columns: the event time, then the key, so that the same rows give the same file."""
    return comma_separated([*(["month", quote_identifier(table.event_time)] if table.event_time else []), _keys(table)])


def _keys(table: Table) -> str:
    return ", ".join(quote_identifier(name) for name in table.key)


def _same_key(table: Table, left: str, right: str) -> str:
    return " AND ".join(f"{quote_identifier(name, of=left)} = {quote_identifier(name, of=right)}" for name in table.key)
