"""One line of the audit log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to which job, from where, and how it ended."""

    operation: str  # job.create, job.cancel, artifact.download, token.issue, ...
    dialect: str
    tenant: str | None
    principal: str | None
    job: str | None = None
    address: str | None = None
    outcome: str = "allowed"
