"""The incoming rows go into the lake: one commit, one row per key.

An upsert looks for existing keys and then writes; two that looked at the same version would both insert the same key.
So a commit is only made on top of the very version that was looked at. The table's log refuses it when another writer,
on this machine or elsewhere, was quicker, and everything is looked at again. Appends alone would not need that.

New keys only: the rows are appended. Otherwise the months that hold a row with an incoming key, and those that
receive one, are written anew in one replacing commit. That is what a merge does as well, but written here through
DuckDB: in bounded memory, sorted by event time, and with a changed event time moving the row to its new month.
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
from offtake.lake.sqltext import comma, literal, quoted
from offtake.lake.tables import Table
from offtake.model.tenant import TENANT_NAME

_TRIES = 20
_ON_TOP = CommitProperties(max_commit_retries=0)  # of what was looked at; else fail


@dataclass(frozen=True, slots=True, kw_only=True)
class Upserted:
    """What became of the good rows."""

    inserted: int
    updated: int
    superseded: int


def upsert(connection: duckdb.DuckDBPyConnection, lake: Lake, table: Table, *, tenant: str) -> Upserted:
    """Store the incoming rows that have no faults. Call it while queued up for writing: it spares others their work.

    Raises StorageUnavailable. Without any good row nothing is committed.
    """
    if not TENANT_NAME.fullmatch(tenant):
        raise ValueError("not a tenant name")  # it becomes part of a predicate and of folder names
    superseded = _keep_latest(connection, table)
    total = scalar(connection, f"SELECT count(*) FROM {INCOMING}")  # noqa: S608
    if total == 0:
        return Upserted(inserted=0, updated=0, superseded=superseded)
    connection.execute("SET VARIABLE tenant = $tenant", {"tenant": tenant})
    for _ in range(_TRIES):
        updated = _store(connection, lake, table, tenant=tenant)
        if updated is not None:
            return Upserted(inserted=total - updated, updated=updated, superseded=superseded)
    raise StorageUnavailable(f"The lake table {table.name} is being written by others all the time.")


def _store(connection: duckdb.DuckDBPyConnection, lake: Lake, table: Table, *, tenant: str) -> int | None:
    """How many of the keys were there before, or None when another writer's commit came in between."""
    delta = lake.create(table)
    with lake.local(lake.files(delta, table, tenant)) as files, storage_faults(table):
        updated, months = _known(connection, table, files)
        try:
            if updated == 0:
                _append(connection, delta, table)
            else:
                _replace(connection, delta, table, tenant=tenant, files=files, months=months)
        except CommitFailedError:
            return None
    return updated


def _keep_latest(connection: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Remove bad rows, and rows whose key comes again later; returns how many of the latter there were."""
    keys = _keys(table)
    connection.execute(f"DELETE FROM {INCOMING} WHERE _faults IS NOT NULL")  # noqa: S608
    connection.execute(
        f"DELETE FROM {INCOMING} USING (SELECT {keys}, max(rowid) AS latest FROM {INCOMING} "  # noqa: S608
        f"GROUP BY {keys} HAVING count(*) > 1) AS again "
        f"WHERE {_same_key(table, INCOMING, 'again')} AND {INCOMING}.rowid < again.latest"
    )
    found = connection.fetchone()
    return int(found[0]) if found else 0


def _known(
    connection: duckdb.DuckDBPyConnection, table: Table, files: Sequence[LakeFile]
) -> tuple[int, frozenset[str]]:
    """How many incoming keys are stored already, and in which months."""
    if not files:
        return 0, frozenset()
    _expose_stored(connection, table, files)
    month = "month" if "month" in table.partition_columns else "''"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE known AS SELECT DISTINCT {_keys(table)}, {month} AS month "  # noqa: S608
        f"FROM stored SEMI JOIN {INCOMING} USING ({_keys(table)})"
    )
    updated = scalar(connection, f"SELECT count(*) FROM {INCOMING} SEMI JOIN known USING ({_keys(table)})")  # noqa: S608
    months = connection.execute("SELECT DISTINCT month FROM known").fetchall()
    return updated, frozenset(str(row[0]) for row in months)


def _expose_stored(connection: duckdb.DuckDBPyConnection, table: Table, files: Sequence[LakeFile]) -> None:
    """The tenant's rows in these files as ``stored``: older files that lack a column of the model have null there."""
    typed = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in table.stored_columns)
    connection.execute("SET VARIABLE stored_files = $files", {"files": [file.path for file in files]})
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW stored AS SELECT {typed} WHERE false UNION ALL BY NAME "  # noqa: S608
        "SELECT * FROM read_parquet(getvariable('stored_files'), hive_partitioning = true, "
        "hive_types_autocast = false, union_by_name = true)"
    )


def _append(connection: duckdb.DuckDBPyConnection, delta: DeltaTable, table: Table) -> None:
    rows = connection.sql(f"{_incoming(table)} ORDER BY {_order(table)}, rowid")
    write_deltalake(
        delta, rows, mode="append", schema_mode="merge", writer_properties=WRITER, commit_properties=_ON_TOP
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
    """Write the touched months anew: what they hold, without the incoming keys, plus the incoming rows."""
    predicate = f"tenant = {literal(tenant)}"
    if "month" in table.partition_columns:
        arriving = connection.execute(f"SELECT DISTINCT month FROM {INCOMING}").fetchall()  # noqa: S608
        touched = sorted(months.union(str(row[0]) for row in arriving))
        predicate += f" AND month IN ({', '.join(literal(month) for month in touched)})"
        files = [file for file in files if file.month in touched]
    _expose_stored(connection, table, files)
    rows = connection.sql(
        f"SELECT * FROM (SELECT * FROM stored ANTI JOIN {INCOMING} USING ({_keys(table)}) "  # noqa: S608
        f"UNION ALL BY NAME {_incoming(table)}) ORDER BY {_order(table)}"
    )
    write_deltalake(
        delta,
        rows,
        mode="overwrite",
        predicate=predicate,
        schema_mode="merge",
        writer_properties=WRITER,
        commit_properties=_ON_TOP,
    )


def _incoming(table: Table) -> str:
    month = ["month"] if "month" in table.partition_columns else []
    columns = [*(quoted(column.name) for column in table.columns), "getvariable('tenant') AS tenant", *month]
    return f"SELECT {comma(columns)}\nFROM {INCOMING}"


def _order(table: Table) -> str:
    """The event time decides; the key makes the order, and so the file, the same every time."""
    return comma([*(["month", quoted(table.event_time)] if table.event_time else []), _keys(table)])


def _keys(table: Table) -> str:
    return ", ".join(quoted(name) for name in table.key)


def _same_key(table: Table, left: str, right: str) -> str:
    return " AND ".join(f"{quoted(name, of=left)} = {quoted(name, of=right)}" for name in table.key)
