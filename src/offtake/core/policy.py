"""The numbers the core obeys. Their defaults and meanings are among the settings, a dialect's in its own folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class PerTenant(Generic[Value]):
    """Something that holds for every tenant, but for those that have their own."""

    every: Value
    own: Mapping[str, Value] = field(default_factory=dict)

    def of(self, tenant: str) -> Value:
        """What holds for that tenant."""
        return self.own.get(tenant, self.every)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many requests of one principal in each ``period``."""

    requests: int
    period: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectLimits:
    """What one tenant may ask for in one dialect."""

    open_jobs: int
    longest_timespan: timedelta | None  # None: the dialect has a rule of its own
    rows: int | None  # None: any number
    retention: timedelta
    link_life: timedelta
    token_life: timedelta
    rate: Rate | None = None  # None: as many requests as may come
    rates: Mapping[str, Rate] = field(default_factory=dict)  # of operations that the dialect counts apart
    refresh_life: timedelta = timedelta(0)  # zero: no refresh tokens
    freshness: timedelta = timedelta(0)  # rows younger than this when a job is made are left out
    audit_reads: bool = False  # whether looking at jobs is recorded, too


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptPolicy:
    """How attempts run and end."""

    threads: int
    memory_mb: int
    partition_rows: int  # of the lake, that one part of an export is made from
    temp_mb: int
    attempts: int
    lease: timedelta
    heartbeat: timedelta
    retry_delay: timedelta
    drain: timedelta
    long: timedelta  # a job expected to run longer is not for the worker that is kept free for others; zero: none is
