"""The caller of an operation of the core."""

from __future__ import annotations

from dataclasses import dataclass

from offtake.model.audit import AuditEntry
from offtake.model.tenant import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The authenticated principal and the network address the request came from."""

    principal: Principal
    address: str | None = None


def audit_entry(operation: str, by: Caller, *, dialect: str, job: str | None = None) -> AuditEntry:
    """The audit entry of an operation that the caller is allowed to do."""
    return AuditEntry(
        operation=operation,
        dialect=dialect,
        tenant=by.principal.tenant,
        principal=by.principal.credential,
        job=job,
        address=by.address,
        actor=by.principal.user,
        effective=by.principal.effective,
    )
