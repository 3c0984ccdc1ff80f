"""The caller of a core operation, and its audit entries."""

from __future__ import annotations

from dataclasses import dataclass

from offtake.model.audit import AuditEntry
from offtake.model.tenant import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The authenticated principal and the client's network address."""

    principal: Principal
    address: str | None = None


def audit_entry(operation: str, by: Caller, *, dialect: str, job: str | None = None) -> AuditEntry:
    """Return the audit entry of an allowed operation of the caller."""
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
