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
    count: int = 1  # of requests; refused ones are counted and recorded together
    actor: str | None = None  # the person who owns the credential, if any
    effective: str | None = None  # the person whom the actor impersonated, if any
    report: str | None = None  # of a request without a job: a preview or an estimate
    format: str | None = None  # of that request
    column_count: int | None = None  # of that request's file


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Condition on entries; a field that is None does not restrict."""

    tenant: str | None = None
    operation: str | None = None  # an operation, or its part before the dot
    outcome: str | None = None
    since: datetime | None = None  # recorded at this instant or later


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
        "count": "BIGINT",  # of requests
    }
)
