"""Undo a change: the rows of a tenant that it touched become what they were in the version before it.

A row that the change inserted goes; a row that it updated or deleted comes back with the version of the load that it
had. A later change of one of these rows would be lost, so the undo is refused then, unless that change was undone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import duckdb

from offtake.errors import StorageUnavailable
from offtake.lake.change_log import changes_after
from offtake.lake.changes import expose, expose_tombstones, require_files
from offtake.lake.compact import compact
from offtake.lake.delta import Lake, LakeFile, storage_faults
from offtake.lake.ingest.incoming import Incoming, scalar
from offtake.lake.ingest.upsert import Change, Stored, upsert
from offtake.lake.staging import staging
from offtake.lake.tables import LOAD_VERSION, VERSION, Table
from offtake.lake.tombstones import tombstone_files
from offtake.lake.writer import key_columns
from offtake.sql_text import comma_separated, quote_identifier

_BEFORE, _AFTER, _NOW = "before_change", "after_change", "now_stored"
_REMOVED, _LATER = "removed_by_change", "removed_later"
_TOUCHED, _STATES, _CONFLICTS = "touched", "touched_states", "conflicts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Rows that a later change touched: by the version of its commit, or None if that is unknown."""

    version: int | None
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """The outcome of an undo: nothing is stored if there are conflicts."""

    stored: Stored | None
    conflicts: tuple[Conflict, ...] = ()


def undo_change(
    lake: Lake, table: Table, *, tenant: str, version: int, undone: Collection[str], change: Change
) -> Undone:
    """Undo the change that a version of the table committed.

    ``undone`` has the ids of later changes that were undone, and of those undos. Raises LakeVersionGone if the log or
    the files of that version are gone, and StorageUnavailable.
    """
    with lake.writing(table), staging(lake.storage.staging) as area:
        now = lake.create(table)
        before, after = lake.open_version(table, version - 1), lake.open_version(table, version)
        with storage_faults(table):
            entries = changes_after(now, version - 1)
        own = tombstone_files(lake, [each for each in entries if each.version == version], table, tenant)
        later = tombstone_files(
            lake, [each for each in entries if each.version > version and each.change_id not in undone], table, tenant
        )
        rows = {_BEFORE: before, _AFTER: after, _NOW: now}
        listed: dict[str, Sequence[LakeFile]] = {name: lake.files(delta, table, tenant) for name, delta in rows.items()}
        listed |= {_REMOVED: own, _LATER: later}
        require_files(lake, table, tenant, [*listed[_BEFORE], *listed[_AFTER]])
        # The versions have most files in common.
        distinct = {file.path: file for files in listed.values() for file in files}
        with lake.local(list(distinct.values())) as copies, storage_faults(table):
            local = dict(zip(distinct, copies, strict=True))
            _expose(
                area.connection, table, {name: [local[file.path] for file in files] for name, files in listed.items()}
            )
            conflicts = _find_conflicts(area.connection, table, version)
            if conflicts:
                return Undone(stored=None, conflicts=conflicts)
            incoming = Incoming(area, table, restores=True)
            _restore(incoming, table)
        based_on = replace(change, based_on=now.version())
        stored = upsert(incoming, lake, tenant=tenant, change=based_on)
    if not change.is_dry_run:
        with suppress(StorageUnavailable):  # the undo is stored; the next load tries to compact again
            compact(lake, table, tenant=tenant)
    return Undone(stored=stored)


def _expose(connection: duckdb.DuckDBPyConnection, table: Table, files: Mapping[str, list[LakeFile]]) -> None:
    for name in (_BEFORE, _AFTER, _NOW):
        expose(connection, name, table.file_columns, files[name])
    for name in (_REMOVED, _LATER):
        expose_tombstones(connection, name, table, files[name])


def _find_conflicts(connection: duckdb.DuckDBPyConnection, table: Table, version: int) -> tuple[Conflict, ...]:
    """Find the rows that the change touched, and those of them that a later one touched."""
    keys = key_columns(table)
    connection.execute(
        f"CREATE TEMP TABLE {_TOUCHED} AS SELECT {keys}, true AS is_stored FROM {_AFTER} WHERE {VERSION} = {version} "  # noqa: S608
        f"UNION ALL SELECT {keys}, false FROM {_REMOVED}"
    )
    # A row is as the change left it if it has the change's values, or is not stored. Deletions can be stated again.
    connection.execute(
        f"CREATE TEMP VIEW {_STATES} AS SELECT {_TOUCHED}.is_stored AS was_stored, now_row.load_version, "  # noqa: S608
        f"now_row.is_stored IS NOT NULL AS is_stored, later.version AS deleted_in FROM {_TOUCHED} "
        f"LEFT JOIN (SELECT {keys}, {LOAD_VERSION} AS load_version, true AS is_stored FROM {_NOW} "
        f"SEMI JOIN {_TOUCHED} USING ({keys})) AS now_row USING ({keys}) "
        f"LEFT JOIN (SELECT {keys}, max(version) AS version FROM {_LATER} GROUP BY {keys}) AS later USING ({keys})"
    )
    connection.execute(
        f"CREATE TEMP TABLE {_CONFLICTS} AS SELECT if(is_stored, load_version, deleted_in) AS by_version "  # noqa: S608
        f"FROM {_STATES} WHERE if(was_stored, NOT is_stored OR load_version IS DISTINCT FROM {version}, "
        "is_stored OR deleted_in IS NOT NULL)"
    )
    found = connection.execute(
        f"SELECT by_version, count(*) FROM {_CONFLICTS} GROUP BY by_version ORDER BY by_version"  # noqa: S608
    )
    return tuple(Conflict(version=row[0], rows=row[1]) for row in found.fetchall())


def _restore(incoming: Incoming, table: Table) -> None:
    """Make the rows before the change incoming, and mark those that it inserted."""
    keys = key_columns(table)
    names = comma_separated(quote_identifier(name) for name in table.by_name)
    month = "month, " if table.event_time else ""
    known = f"SEMI JOIN {_TOUCHED} USING ({keys})"
    selected = f"SELECT {month}{names}, {LOAD_VERSION} FROM {_BEFORE} {known}"  # noqa: S608
    if scalar(incoming.connection, f"SELECT count(*) FROM {_BEFORE} {known}"):  # noqa: S608
        incoming.add(selected)
    incoming.mark(f"SELECT {keys} FROM {_TOUCHED} ANTI JOIN {_BEFORE} USING ({keys})")  # noqa: S608
