"""Resolve the records of changes whose process has ended: the log of the table tells whether they were committed."""

from __future__ import annotations

from datetime import timedelta

import structlog

from offtake.core.services import Services
from offtake.errors import OfftakeError
from offtake.lake.change_log import find_change
from offtake.lake.delta import storage_faults
from offtake.lake.running import forget_ended, is_running
from offtake.lake.tables import tables
from offtake.model.load import LoadRecord
from offtake.store import loads

_log = structlog.get_logger("offtake.loads")
KILLED = "killed"  # code of the failure of a process that ended without an outcome
_MAX_AGE = timedelta(days=1)  # of a change of another machine, whose processes are not visible


def resolve_all(on: Services, *, table: str | None = None) -> int:
    """Resolve the records of ended processes, of one table or of all, and return their number.

    A record whose table cannot be read is left for the next time. Raises Unavailable.
    """
    with on.database.read() as connection:
        records, now = loads.running(connection), on.now(connection)
    resolved, unresolved = 0, set[str]()
    for record in records:
        runs = is_running(on.lake.storage.staging, record.id)
        if (
            (table is not None and record.table != table)
            or runs
            or (runs is None and now - record.started_at < _MAX_AGE)
        ):
            unresolved.add(record.id)
            continue
        try:
            if resolve(record, on, failure=KILLED, removes_files=runs is False):
                resolved += 1
        except OfftakeError as error:
            unresolved.add(record.id)
            _log.warning("load_not_resolved", load=record.id, table=record.table, error=error.code)
    forget_ended(on.lake.storage.staging, but=unresolved)
    return resolved


def resolve(record: LoadRecord, on: Services, *, failure: str, removes_files: bool = True) -> bool:
    """Record the outcome of a change that no process makes any more; return whether the record was running.

    ``failure`` is the code of its failure if it was not committed. Its files are then removed, unless a process of
    another machine might still commit them. Raises StorageUnavailable, LakeVersionGone, Unavailable.
    """
    table = tables()[record.table]
    newest = on.lake.open(table)
    found = None
    if newest is not None:
        with storage_faults(table):
            found = find_change(newest, record.id, after=-1 if record.base_version is None else record.base_version)
        if found is None and removes_files:
            on.lake.discard(table, tenant=record.tenant, change_id=record.id)
    with on.database.write() as connection:
        now = on.now(connection)
        if found is None:
            is_resolved = loads.fail(connection, record.id, failure=failure, now=now)
        else:
            is_resolved = loads.commit(connection, record.id, version=found.version, counts=found.counts, now=now)
    if is_resolved:
        _log.info("load_resolved", load=record.id, table=record.table, is_committed=found is not None)
    return is_resolved
