"""The numbers the core obeys. Their defaults and meanings are in ``settings.py``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectLimits:
    """What one tenant may ask for in one dialect."""

    open_jobs: int
    longest_timespan: timedelta
    rows: int
    retention: timedelta
    link_life: timedelta
    token_life: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptPolicy:
    """How attempts run and end."""

    threads: int
    memory_mb: int
    part_rows: int  # of the lake, that one part of an export is made from
    temp_mb: int
    attempts: int
    lease: timedelta
    heartbeat: timedelta
    retry_delay: timedelta
    drain: timedelta
