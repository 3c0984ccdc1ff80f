"""Removal of a tenant with its lake rows, files, jobs and credentials. The audit log stays, with a closing entry.

The first transaction makes the tenant unusable; everything else can be repeated, so a removal that was interrupted is
completed by the next one. The name can be used again only after the last transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from offtake.artifacts.store import FILES, StoredFile
from offtake.core import dispatch
from offtake.core.counters import jobs_ended
from offtake.core.loads.running import require_no_running_load
from offtake.core.services import Services
from offtake.errors import JobStateConflict, UnknownName
from offtake.lake import removal
from offtake.lake.removal import TableSize
from offtake.lake.tables import tables
from offtake.model.audit import AuditEntry
from offtake.model.job import Job, Status
from offtake.model.tenant import Tenant
from offtake.store import audit, counters, identity, jobs, outbox, tenant_removal

_BATCH_SIZE = 500  # jobs; SQLite's other writers wait for one batch
Progress = Callable[[str], None]  # gets what is removed now


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantContents:
    """What a removal removes."""

    tenant: Tenant
    tables: Sequence[TableSize]
    files: Sequence[str]  # keys of published files
    records: dict[str, int]  # rows of the state database, by table
    open_jobs: Sequence[str]
    held_jobs: Sequence[str]


def contents(name: str, on: Services) -> TenantContents:
    """Return what the removal of the tenant would remove. Raises UnknownName, StorageUnavailable."""
    with on.database.write() as connection:  # several statements that must see one state
        tenant = _stored(connection, name)
        records = tenant_removal.count_records(connection, name)
        open_jobs = tenant_removal.open_jobs(connection, name)
        held_jobs = tenant_removal.held_jobs(connection, name)
    return TenantContents(
        tenant=tenant,
        tables=tuple(removal.sizes(on.lake, name)),
        files=tuple(file.key for file in on.artifacts.published() if _is_of(file, name)),
        records=records,
        open_jobs=open_jobs,
        held_jobs=held_jobs,
    )


def remove_tenant(
    name: str, operator: str, on: Services, *, cancel_running: bool, progress: Progress = lambda what: None
) -> None:
    """Remove the tenant, or complete a removal that was interrupted.

    Raises UnknownName; JobStateConflict while exports are open, unless ``cancel_running``, or on hold;
    StorageUnavailable, after which the removal can be repeated.
    """
    progress("access")
    require_no_running_load(name, on)
    _begin(name, operator, on, cancel_running=cancel_running)
    for table in tables().values():
        progress(f"table {table.name}")
        removal.remove_rows(on.lake, table, tenant=name)
    progress("files")
    _remove_files(name, on)
    progress("records")
    while _delete_jobs(name, on):
        pass
    with on.database.write() as connection:
        audit.record(connection, _entry("tenant.removed", name, operator), now=on.clock())
        tenant_removal.delete_tenant(connection, name)


def _begin(name: str, operator: str, on: Services, *, cancel_running: bool) -> None:
    with on.database.write() as connection:
        if _stored(connection, name).removing_at is not None:
            return
        jobs.lock_tenant(connection, name)
        held, running = tenant_removal.held_jobs(connection, name), tenant_removal.open_jobs(connection, name)
        if held:
            raise JobStateConflict(
                f"The tenant {name} has {len(held)} exports on hold, such as {held[0]}; release them first with: "
                "offtake jobs release ID"
            )
        if running and not cancel_running:
            raise JobStateConflict(
                f"The tenant {name} has {len(running)} exports that have not ended, such as {running[0]}; wait until "
                "they end, or cancel them with --cancel-running."
            )
        now = on.now(connection)
        for job_id in running:
            cancelled = jobs.cancel(connection, job_id, tenant=name, now=now)
            if cancelled is not None:
                _record_cancellation(connection, cancelled, on)
        audit.record(connection, _entry("tenant.remove", name, operator), now=on.clock())
        tenant_removal.begin(connection, name, now=now)


def _record_cancellation(connection: Connection, job: Job, on: Services) -> None:
    dispatch.enqueue(connection, job, outbox.MessageKind.CANCEL, on, now=on.now(connection))
    counters.add(connection, jobs_ended({job.request.dialect: 1}, Status.CANCELLED))


def _remove_files(name: str, on: Services) -> None:
    """Remove the published files, and what attempts of the tenant's jobs left on this machine."""
    with on.database.read() as connection:
        own = tenant_removal.job_ids(connection, name)
    for file in on.artifacts.found():
        if _is_of(file, name) or file.job in own:
            file.remove()


def _delete_jobs(name: str, on: Services) -> int:
    with on.database.write() as connection:
        return tenant_removal.delete_jobs(connection, name, limit=_BATCH_SIZE)


def _is_of(file: StoredFile, name: str) -> bool:
    return file.key.startswith(f"{FILES}/{name}/")


def _stored(connection: Connection, name: str) -> Tenant:
    tenant = identity.get_tenant(connection, name)
    if tenant is None:
        raise UnknownName(f"There is no tenant {name}; list them with: offtake tenant list")
    return tenant


def _entry(operation: str, name: str, operator: str) -> AuditEntry:
    return AuditEntry(operation=operation, dialect="operator", tenant=name, principal=None, actor=operator)
