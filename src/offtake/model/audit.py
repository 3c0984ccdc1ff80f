"""Entries of the audit log, and the columns of the relation ``server_audit``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One operation: its actor, job, network address and outcome."""

    operation: str  # job.create, job.cancel, artifact.download, token.issue, ...
    dialect: str
    tenant: str | None
    principal: str | None
    job: str | None = None
    address: str | None = None
    outcome: str = "allowed"
    actor: str | None = None  # the person who owns the credential, if any
    effective: str | None = None  # the person whom the actor impersonated, if any


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """A recorded entry of one tenant and its instant."""

    happened_at: datetime
    entry: AuditEntry


# Columns and DuckDB types of the relation that a report with ``server_audit = true`` reads, in order.
SERVER_AUDIT: Mapping[str, str] = MappingProxyType(
    {
        "tenant": "VARCHAR",
        "number": "BIGINT",  # counts from 1 within the timespan
        "happened_at": "TIMESTAMP WITH TIME ZONE",
        "principal": "VARCHAR",
        "operation": "VARCHAR",
        "dialect": "VARCHAR",
        "job": "VARCHAR",
        "address": "VARCHAR",
        "outcome": "VARCHAR",
    }
)
