"""Limits and policies of the core. ``settings.py`` and each dialect's settings define their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class PerTenant(Generic[Value]):
    """A default value and the values of tenants that override it."""

    default: Value
    overrides: Mapping[str, Value] = field(default_factory=dict)

    def of(self, tenant: str) -> Value:
        """Return the value for the tenant."""
        return self.overrides.get(tenant, self.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Maximum number of requests in each ``period``."""

    requests: int
    period: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectLimits:
    """Limits of one tenant in one dialect."""

    open_jobs: int
    longest_timespan: timedelta | None  # None: the dialect checks the length itself
    rows: int | None  # None: unlimited
    retention: timedelta
    link_life: timedelta
    token_life: timedelta
    rate: Rate | None = None  # of one principal; None: unlimited
    tenant_rate: Rate | None = None  # of the tenant, at each server; None: unlimited
    rates: Mapping[str, Rate] = field(
        default_factory=dict
    )  # by operation, for operations that the dialect counts separately
    refresh_life: timedelta = timedelta(0)  # zero: no refresh tokens
    freshness: timedelta = timedelta(0)  # rows younger than this at the job's creation are excluded
    ends_at_completeness: bool = False  # whether rows after the instant until which tables are complete are excluded
    inboxes_without_members: bool = False  # whether every active agent sees the inboxes that have no members
    audit_reads: bool = False  # whether the audit log also records reads of jobs
    gzip: bool = True  # whether text files are sent with gzip to clients that accept it


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one tenant may use over all dialects. None: unlimited."""

    kept_bytes: int | None = None  # of published files that are kept
    kept_share: float = 1.0  # the same, as a share of the artifact store's disk; without effect in object storage
    kept_files: int | None = None
    kept_rows: int | None = None  # of all kept files
    daily_bytes: int | None = None  # published in a day (UTC)
    request_bytes: int | None = None  # stored requests of all jobs, ended ones included
    tokens: int | None = None  # of one credential that have not expired
    ended_life: timedelta = timedelta(days=36_500)  # how long the record of a job without a file stays after its end


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewPolicy:
    """Resources of previews, which run in the server process."""

    at_once: int = 2
    time: timedelta = timedelta(seconds=10)  # of one preview
    memory_mb: int = 128  # of the query of one preview
    threads: int = 2  # of the query of one sorted preview


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPolicy:
    """Limits of logins by a secret that is stored as a slow hash."""

    hash_threads: int
    waiting: int  # maximum number of logins that wait for a thread
    failures_per_address: int  # in each period
    failures_per_name: int  # in each period
    period: timedelta
    cache: timedelta  # how long the verdict about a secret is reused


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptPolicy:
    """Resources, timing and retries of attempts."""

    threads: int
    memory_mb: int
    partition_rows: int  # maximum number of lake rows that one partition reads
    temp_mb: int
    attempts: int  # maximum number of attempts of a job
    lease: timedelta
    heartbeat: timedelta
    retry_delay: timedelta
    drain: timedelta
    long: timedelta  # the quick worker leaves jobs with a longer estimated duration to others; zero: it takes all jobs
