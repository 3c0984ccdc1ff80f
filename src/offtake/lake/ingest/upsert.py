"""Upsert: store the incoming rows in one commit, with one row per key.

An upsert reads existing keys and then writes; two concurrent upserts that read the same version would insert a key
twice. So a commit succeeds only on top of the version that was read: if another writer committed in between, the
table's log refuses it, and the upsert starts again on the newest version.

If all keys are new, the rows are added in files of their own. Otherwise one commit rewrites the months that hold an
incoming key or receive a row; a row whose event time changed moves to its new month. Files are sorted by event time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
from deltalake.exceptions import CommitFailedError

from offtake.errors import StorageUnavailable
from offtake.lake.delta import Lake, LakeFile, storage_faults
from offtake.lake.ingest.incoming import INCOMING, POSITION, RANK, ROWS, SIZE, Incoming, scalar
from offtake.lake.tables import Table
from offtake.lake.writer import FileWriter, NewFile, row_bytes, sort_columns
from offtake.model.tenant import TENANT_NAME
from offtake.sql_text import comma_separated, quote_identifier, quote_literal, select_typed

_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Upserted:
    """Number of good rows, by what happened to them."""

    inserted: int
    updated: int
    superseded: int


def upsert(incoming: Incoming, lake: Lake, *, tenant: str) -> Upserted:
    """Store the incoming rows; without a row, nothing is committed.

    Call it under ``Lake.writing``, which avoids conflicting commits on this machine. Raises StorageUnavailable.
    """
    if not TENANT_NAME.fullmatch(tenant):
        raise ValueError("not a tenant name")  # it is part of the names of folders
    connection, table = incoming.connection, incoming.table
    superseded = _keep_one(connection, table, first=incoming.keeps_first)
    total = scalar(connection, f"SELECT count(*) FROM {INCOMING}")  # noqa: S608
    if total == 0:
        return Upserted(inserted=0, updated=0, superseded=superseded)
    incoming.expose()
    rows = f"SELECT * EXCLUDE ({POSITION}) FROM read_parquet(getvariable({quote_literal(ROWS)}))"  # noqa: S608
    if superseded:
        rows += f" WHERE {POSITION} IN (SELECT {POSITION} FROM {INCOMING})"  # noqa: S608
    for _ in range(_ATTEMPTS):
        updated = _store(incoming, lake, rows, tenant=tenant)
        if updated is not None:
            return Upserted(inserted=total - updated, updated=updated, superseded=superseded)
    message = (
        f"Gave up after {_ATTEMPTS} conflicting commits to {table.name}; another writer is busy. Load again later."
    )
    raise StorageUnavailable(message)


def _store(incoming: Incoming, lake: Lake, rows: str, *, tenant: str) -> int | None:
    """Commit the rows; return how many keys existed before, or None if another writer committed in between."""
    connection, table = incoming.connection, incoming.table
    delta = lake.create(table)
    stored = lake.files(delta, table, tenant)
    with lake.local(stored) as files, storage_faults(table):
        updated, months = _existing_keys(connection, table, files)
        replaced: list[LakeFile] = []
        if updated:
            months |= _incoming_months(connection, table)
            replaced = [file for file in stored if file.month in months]
            local = [local for local, file in zip(files, stored, strict=True) if file.month in months]
            _expose_stored(connection, table, local)
        else:
            months = _incoming_months(connection, table)
        added = _write(incoming, rows, months, replaces=bool(updated))
        try:
            lake.commit(delta, table, tenant=tenant, added=added, removed=replaced)
        except CommitFailedError:
            return None
    return updated


def _write(incoming: Incoming, rows: str, months: frozenset[str | None], *, replaces: bool) -> list[NewFile]:
    """Write each month: its incoming rows and, if it is replaced, its stored rows without the incoming keys."""
    table = incoming.table
    names = comma_separated(quote_identifier(name) for name in table.by_name)
    sorted_by = ", ".join(quote_identifier(name) for name in sort_columns(table))
    kept = f"stored ANTI JOIN {INCOMING} USING ({_keys(table)})"
    writer = FileWriter(incoming.staging, table)
    added: list[NewFile] = []
    for month in sorted(months, key=str):
        condition = "true" if month is None else f"month = {quote_literal(month)}"
        selected = f"SELECT {names} FROM ({rows}) WHERE {condition}"  # noqa: S608
        sizes = f"SELECT {sorted_by}, {SIZE} FROM {INCOMING} WHERE {condition}"  # noqa: S608
        if replaces:
            # By name and all of them: a newer model may have added columns, which stay.
            stored = f"SELECT * EXCLUDE ({', '.join(table.partition_columns)}) FROM {kept} WHERE {condition}"  # noqa: S608
            selected += f" UNION ALL BY NAME {stored}"
            sizes += f" UNION ALL SELECT {sorted_by}, {row_bytes(table)} FROM {kept} WHERE {condition}"  # noqa: S608
        added += writer.write_sorted(selected, sizes, month=month)
    return added


def _keep_one(connection: duckdb.DuckDBPyConnection, table: Table, *, first: bool) -> int:
    """Keep one row of each key, the last by rank and position or the first; return the number of the others."""
    keys = _keys(table)
    kept = f"{'arg_min' if first else 'arg_max'}({POSITION}, {{'rank': {RANK}, 'position': {POSITION}}})"
    connection.execute(
        f"DELETE FROM {INCOMING} USING (SELECT {keys}, {kept} AS kept FROM {INCOMING} "  # noqa: S608
        f"GROUP BY {keys} HAVING count(*) > 1) AS duplicate "
        f"WHERE {_same_key(table, INCOMING, 'duplicate')} AND {INCOMING}.{POSITION} <> duplicate.kept"
    )
    deleted = connection.fetchone()
    return int(deleted[0]) if deleted else 0


def _existing_keys(
    connection: duckdb.DuckDBPyConnection, table: Table, files: Sequence[LakeFile]
) -> tuple[int, frozenset[str | None]]:
    """Return how many incoming keys are stored already, and the months that hold them."""
    if not files:
        return 0, frozenset()
    _expose_stored(connection, table, files)
    month = "month" if table.event_time else "NULL"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE existing AS SELECT DISTINCT {_keys(table)}, {month} AS month "  # noqa: S608
        f"FROM stored SEMI JOIN {INCOMING} USING ({_keys(table)})"
    )
    updated = scalar(connection, f"SELECT count(*) FROM {INCOMING} SEMI JOIN existing USING ({_keys(table)})")  # noqa: S608
    return updated, _months(connection, "SELECT DISTINCT month FROM existing")


def _incoming_months(connection: duckdb.DuckDBPyConnection, table: Table) -> frozenset[str | None]:
    """Return the months of the incoming rows; None stands for a dimension, which has no months."""
    if table.event_time is None:
        return frozenset({None})
    return _months(connection, f"SELECT DISTINCT month FROM {INCOMING}")  # noqa: S608


def _months(connection: duckdb.DuckDBPyConnection, sql: str) -> frozenset[str | None]:
    return frozenset(row[0] for row in connection.execute(sql).fetchall())


def _expose_stored(connection: duckdb.DuckDBPyConnection, table: Table, files: Sequence[LakeFile]) -> None:
    """The tenant's rows in these files as ``stored``: older files that lack a column of the model have null there."""
    connection.execute("SET VARIABLE stored_files = $files", {"files": [file.path for file in files]})
    rows = select_typed(table.stored_columns, files="stored_files")
    connection.execute(f"CREATE OR REPLACE TEMP VIEW stored AS {rows}")


def _keys(table: Table) -> str:
    return ", ".join(quote_identifier(name) for name in table.key)


def _same_key(table: Table, left: str, right: str) -> str:
    return " AND ".join(f"{quote_identifier(name, of=left)} = {quote_identifier(name, of=right)}" for name in table.key)
