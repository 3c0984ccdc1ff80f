"""Administration of tenants by the operator: list, show, change. ``tenant_removal`` removes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from offtake.core.admin.identity import get_tenant
from offtake.core.services import Services
from offtake.errors import NameTaken
from offtake.lake import removal
from offtake.lake.removal import TableSize
from offtake.model.audit import AuditEntry
from offtake.model.job import JobFilter
from offtake.model.tenant import Tenant
from offtake.store import audit, identity, job_queries, usage
from offtake.store.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantSummary:
    """A tenant with what it uses of the state database and of the artifact store."""

    tenant: Tenant
    usage: Usage
    jobs: int
    open_jobs: int
    credentials: int  # active ones


def list_tenants(on: Services) -> list[TenantSummary]:
    """Return all tenants, those that are being removed included."""
    with on.database.read() as connection:
        tenants = identity.tenants(connection)
    return [summary(tenant, on) for tenant in tenants]


def summary(tenant: Tenant, on: Services) -> TenantSummary:
    """Return what a tenant uses."""
    with on.database.write() as connection:  # several statements that must see one state
        return TenantSummary(
            tenant=tenant,
            usage=usage.read(connection, tenant.name),
            jobs=job_queries.count(connection, JobFilter(tenant=tenant.name)),
            open_jobs=job_queries.count_open(connection, tenant=tenant.name),
            credentials=len(identity.credentials_of(connection, tenant.name)),
        )


def table_sizes(tenant: str, on: Services) -> Sequence[TableSize]:
    """Return what the tenant has in each table of the lake. Raises StorageUnavailable."""
    return tuple(removal.sizes(on.lake, tenant))


def change_tenant(changed: Tenant, operator: str, on: Services) -> None:
    """Store company key, zone, verification and options of a tenant. Raises UnknownName, NameTaken."""
    present = get_tenant(changed.name, on)
    with on.database.write() as connection:
        key = changed.company_key
        if key is not None and key != present.company_key and identity.company_key_taken(connection, key):
            raise NameTaken("Another tenant already has that company key; choose another one.")
        identity.change_tenant(connection, changed)
        entry = AuditEntry(
            operation="tenant.set", dialect="operator", tenant=changed.name, principal=None, actor=operator
        )
        audit.record(connection, entry, now=on.clock())
