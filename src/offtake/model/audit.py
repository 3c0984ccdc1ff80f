"""One line of the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType


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
    actor: str | None = None  # the person behind the credential, where the dialect knows one
    effective: str | None = None  # the person that one acted as


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """An entry as it stands in the log of one tenant."""

    happened_at: datetime
    entry: AuditEntry


# The relation that a report with ``server_audit = true`` sees: columns and their DuckDB types, in order.
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
