"""List, show and undo loads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from offtake.core.loads.changes import Recorded, Target
from offtake.core.loads.record import recorded
from offtake.core.loads.resolve import resolve_all
from offtake.core.services import Services
from offtake.errors import LakeVersionGone, StateError, UnknownName
from offtake.lake.compact import KEPT
from offtake.lake.ingest.undo import Conflict, Undone, undo_change
from offtake.lake.ingest.upsert import Change, Stored
from offtake.lake.tables import tables
from offtake.model.load import LoadFilter, LoadKind, LoadRecord, LoadState
from offtake.store import erasures, loads


def list_loads(condition: LoadFilter, on: Services, *, limit: int) -> Sequence[LoadRecord]:
    """Return the newest loads that match. Records of killed processes are resolved first."""
    resolve_all(on)
    with on.database.read() as connection:
        return loads.newest(connection, condition, limit=limit)


def get(load_id: str, on: Services) -> LoadRecord:
    """Return the load with that id. Raises UnknownName."""
    resolve_all(on)
    with on.database.read() as connection:
        record = loads.get(connection, load_id)
    if record is None:
        raise UnknownName(f"There is no load {load_id}; list them with: offtake loads list")
    return record


def undo_until(record: LoadRecord) -> datetime | None:
    """Return until when a load can be undone: the files of earlier versions are kept so long. None if it cannot."""
    if record.state is not LoadState.COMMITTED or record.kind is LoadKind.UNDO or record.version is None:
        return None
    return None if record.finished_at is None else record.finished_at + KEPT


def undo(load_id: str, actor: str, on: Services, *, is_dry_run: bool) -> Recorded:
    """Undo a load or a deletion: the rows that it changed become what they were.

    Raises UnknownName, StorageUnavailable, and StateError with the reason why it cannot be undone.
    """
    record = get(load_id, on)
    until = _require_undoable(record, on)
    target = Target(tenant=record.tenant, table=tables()[record.table], actor=actor)
    if is_dry_run:
        found = _undo(record, until, Change(is_dry_run=True), on)
        return Recorded(id=None, stored=_require_no_conflict(record, found, on))
    with recorded(target.new(LoadKind.UNDO, undoes=record.id), on) as recording:
        stored = _require_no_conflict(record, _undo(record, until, recording.change, on), on)
        recording.finish(stored)
    return Recorded(id=recording.id, stored=stored)


def _require_undoable(record: LoadRecord, on: Services) -> datetime:
    if record.state is not LoadState.COMMITTED:
        by = f" by {record.undone_by}" if record.undone_by else ""
        raise StateError(f"The load {record.id} is {record.state}{by}; only a committed one can be undone.")
    if record.kind is LoadKind.UNDO:
        raise StateError(f"{record.id} is an undo, which cannot be undone; load the rows again.")
    until = undo_until(record)
    if until is None:
        raise StateError(f"The load {record.id} changed nothing, so there is nothing to undo.")
    with on.database.read() as connection:
        now, erased_at = on.now(connection), erasures.latest(connection, record.tenant)
    if erased_at is not None and record.started_at <= erased_at:
        raise StateError(
            f"The load {record.id} can no longer be undone: a person was erased from the tenant since, which removes "
            "the files of the earlier rows. Load the earlier rows again."
        )
    if now > until:
        raise StateError(
            f"The load {record.id} can no longer be undone: the files of the earlier rows were kept until "
            f"{until:%Y-%m-%d %H:%M} UTC. Load the earlier rows again."
        )
    return until


def _undo(record: LoadRecord, until: datetime, change: Change, on: Services) -> Undone:
    table, version = tables()[record.table], record.version or 0
    with on.database.read() as connection:
        later = loads.committed_since(connection, record.table, record.tenant, version)
    undone = {each.id for each in later if each.kind is LoadKind.UNDO or each.state is LoadState.UNDONE}
    try:
        return undo_change(on.lake, table, tenant=record.tenant, version=version, undone=undone, change=change)
    except LakeVersionGone as error:
        raise StateError(
            f"The load {record.id} can no longer be undone, because files of the earlier rows are gone. They are kept "
            f"until {until:%Y-%m-%d %H:%M} UTC, unless an erasure or another program removes them. Load the earlier "
            "rows again."
        ) from error


def _require_no_conflict(record: LoadRecord, found: Undone, on: Services) -> Stored:
    if found.stored is not None:
        return found.stored
    with on.database.read() as connection:
        later = loads.committed_since(connection, record.table, record.tenant, record.version or 0)
    ids = {each.version: each.id for each in later}
    listed = [_conflict(each, ids) for each in sorted(found.conflicts, key=lambda each: -(each.version or 0))]
    known = [ids[each.version] for each in found.conflicts if each.version in ids]
    first = f" Undo these first, the newest one before the others: {', '.join(reversed(known))}." if known else ""
    raise StateError(
        f"The load {record.id} cannot be undone, because later changes touched its rows: {', '.join(listed)}.{first}"
    )


def _conflict(conflict: Conflict, ids: dict[int | None, str]) -> str:
    rows = f"{conflict.rows:,} row{'s' * (conflict.rows != 1)}"
    if conflict.version in ids:
        return f"{rows} by load {ids[conflict.version]}"
    version = "" if conflict.version is None else f" in version {conflict.version}"
    return f"{rows} by a change without a record{version}"
