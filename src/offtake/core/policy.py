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
    """Maximum number of requests of one principal in each ``period``."""

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
    rate: Rate | None = None  # None: unlimited
    rates: Mapping[str, Rate] = field(
        default_factory=dict
    )  # by operation, for operations that the dialect counts separately
    refresh_life: timedelta = timedelta(0)  # zero: no refresh tokens
    freshness: timedelta = timedelta(0)  # rows younger than this at the job's creation are excluded
    audit_reads: bool = False  # whether the audit log also records reads of jobs
    gzip: bool = True  # whether text files are sent with gzip to clients that accept it


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
