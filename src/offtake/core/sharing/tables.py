"""Shared tables, as the operator makes, lists and removes them, and creates their next versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from sqlalchemy import Connection

from offtake.catalogue.publication import NATIVE
from offtake.core.admin.identity import get_tenant
from offtake.core.auth.caller import Caller
from offtake.core.exports.acceptance import accept, require_access
from offtake.core.exports.create import add_job, new_job
from offtake.core.services import Services
from offtake.errors import InvalidRequest, JobStateConflict, NameTaken, NotPermitted, UnknownName
from offtake.model.audit import AuditEntry
from offtake.model.job import OPEN, Job
from offtake.model.request import ExportRequest
from offtake.model.shared_table import SharedTable, SharedVersion, TableName
from offtake.model.tenant import DEFAULT_SCOPES, DataAccess, Principal
from offtake.store import audit, jobs, shared_tables, usage

_OPERATOR = "operator"
FORMAT = "parquet"  # of the files of a version: the only one that the protocol has


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """A shared table, its available versions, oldest first, and the export that was created last."""

    table: SharedTable
    versions: Sequence[SharedVersion]
    last_export: Job | None


def operator_of(tenant: str, *, personal: bool) -> Principal:
    """Return the principal that creates the versions of a tenant's shared tables, for the tenant as a whole."""
    return Principal(
        tenant=tenant,
        credential=_OPERATOR,
        scopes=DEFAULT_SCOPES,
        name=_OPERATOR,
        access=DataAccess(personal=personal),
    )


def add_table(
    tenant: str, name: TableName, body: Mapping[str, Any], request: ExportRequest, operator: str, on: Services
) -> SharedTable:
    """Save the body of an export request under a name. ``request`` is what it means now. No export is created yet.

    Raises UnknownName, NameTaken, InvalidRequest for a request for another format, TimespanTooLong.
    """
    get_tenant(tenant, on)
    if request.format != FORMAT:
        raise InvalidRequest(
            f"The files of a shared table are {FORMAT}, and the format of the request is {request.format}."
        )
    accept(request, Caller(principal=operator_of(tenant, personal=True)), on, now=on.clock())
    table = SharedTable(
        id=on.new_id(),
        tenant=tenant,
        name=name,
        report=request.report,
        body=body,
        personal=_is_personal(request, tenant, on),
        created_at=on.clock(),
    )
    with on.database.write() as connection:
        if not shared_tables.add(connection, table):
            raise NameTaken(f"The tenant {tenant} already has a shared table {name}.")
        _record(connection, "share.add", table, operator, on)
    return table


def list_tables(tenant: str, on: Services) -> list[TableState]:
    """Return the tenant's shared tables sorted by name. Raises UnknownName."""
    get_tenant(tenant, on)
    with on.database.write() as connection:  # several statements that must see one state
        return [_state(connection, table, on) for table in shared_tables.of_tenant(connection, tenant)]


def get_table(tenant: str, name: TableName, on: Services) -> TableState:
    """Return a shared table. Raises UnknownName."""
    get_tenant(tenant, on)
    with on.database.write() as connection:
        return _state(connection, _get(connection, tenant, name), on)


def remove_table(tenant: str, name: TableName, operator: str, on: Services) -> TableState:
    """Remove a shared table: recipients lose it at once. Return what it was.

    Its exports become ordinary exports of the tenant, which keep their files for the retention from now on.
    Raises UnknownName.
    """
    with on.database.write() as connection:
        jobs.lock_tenant(connection, tenant)
        usage.read(connection, tenant, lock=True)  # as a publication does, which locks jobs and the table after it
        state = _state(connection, _get(connection, tenant, name), on)
        retention = on.limits[NATIVE].of(tenant).retention
        shared_tables.retire(connection, state.table.id, until=on.now(connection) + retention)
        shared_tables.remove(connection, state.table.id)
        _record(connection, "share.remove", state.table, operator, on)
    return state


def create_version(table: SharedTable, request: ExportRequest, operator: str, on: Services) -> tuple[Job, bool]:
    """Create an export for a table, and return it with whether it is new. When it is finished, it is the next version.

    While an earlier one is open, that one is returned. Raises UnknownName, QuotaExceeded, BudgetExceeded,
    TimespanTooLong, NotPermitted.
    """
    by, now = Caller(principal=operator_of(table.tenant, personal=table.personal)), on.clock()
    job = new_job(accept(request, by, on, now=now), by, on, reference=None, now=now)
    with on.database.write() as connection:
        jobs.lock_tenant(connection, table.tenant)
        if _get(connection, table.tenant, table.name).id != table.id:
            raise JobStateConflict("The shared table was replaced by another one meanwhile; repeat the command.")
        last = shared_tables.latest_export(connection, table.id)
        if last is not None and last.status in OPEN:
            return last, False
        created = add_job(connection, job, by, on)
        shared_tables.add_export(connection, table.id, created.id, now=on.now(connection))
        _record(connection, "share.refresh", table, operator, on, job=created.id)
    return created, True


def _is_personal(request: ExportRequest, tenant: str, on: Services) -> bool:
    """Whether the request uses columns that the report marks as personal."""
    try:
        require_access(request, Caller(principal=operator_of(tenant, personal=False)), on)
    except NotPermitted:
        return True
    return False


def _get(connection: Connection, tenant: str, name: TableName) -> SharedTable:
    table = shared_tables.get(connection, tenant, name)
    if table is None:
        names = [str(each.name) for each in shared_tables.of_tenant(connection, tenant)]
        close = get_close_matches(str(name), names, n=1)
        hint = f"did you mean {close[0]}?" if close else f"list them with: offtake share list {tenant}"
        raise UnknownName(f"The tenant {tenant} has no shared table {name}; {hint}")
    return table


def _state(connection: Connection, table: SharedTable, on: Services) -> TableState:
    return TableState(
        table=table,
        versions=shared_tables.versions(connection, table.id, now=on.now(connection)),
        last_export=shared_tables.latest_export(connection, table.id),
    )


def _record(
    connection: Connection, operation: str, table: SharedTable, operator: str, on: Services, job: str | None = None
) -> None:
    entry = AuditEntry(
        operation=operation,
        dialect=_OPERATOR,
        tenant=table.tenant,
        principal=None,
        job=job,
        actor=operator,
        report=table.report,
    )
    audit.record(connection, entry, now=on.clock())
