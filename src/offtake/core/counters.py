"""Names and values of the counters. The transaction that ends an attempt or a job also adds to its counters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from offtake.core.services import Services
from offtake.model.artifact import Artifact
from offtake.model.job import Lease, Status
from offtake.model.source import FileState
from offtake.store import counters
from offtake.store.counters import CounterValue

ATTEMPTS = "attempts"  # label: the outcome
ATTEMPT_MILLISECONDS = "attempt_milliseconds"
ATTEMPTS_WITHIN = "attempts_within"  # histogram of durations; label: the upper bound, one of SECONDS, or LONGER
ROWS = "rows"
BYTES = "bytes"
JOBS_ENDED = "jobs_ended"  # label: the status
LEASES_LOST = "leases_lost"
SWEEPS = "sweeps"  # runs of a task that removes files; label: the task
SWEPT = "swept"  # files that a task has removed; label: the task
UNSWEPT = "unswept"  # files that a task could not remove; label: the task
SOURCE_FILES = "source_files"  # files that were loaded; label: the source
SOURCE_ROWS = "source_rows"  # rows of these files; label: the source
SECONDS = (1, 5, 15, 60, 300, 1800, 7200)
LONGER = "+Inf"


def attempt(lease: Lease, outcome: str, *, now: datetime) -> list[CounterValue]:
    """Return the counters of an attempt that ended: its outcome and its duration."""
    job, dialect = lease.job, lease.job.request.dialect
    seconds = max(0.0, (now - (job.started_at or now)).total_seconds())
    within = next((str(bound) for bound in SECONDS if seconds <= bound), LONGER)
    return [
        CounterValue(name=ATTEMPTS, dialect=dialect, label=outcome),
        CounterValue(name=ATTEMPT_MILLISECONDS, dialect=dialect, value=round(seconds * 1000)),
        CounterValue(name=ATTEMPTS_WITHIN, dialect=dialect, label=within),
    ]


def published(lease: Lease, artifact: Artifact, *, now: datetime) -> list[CounterValue]:
    """Return the counters of an attempt that published its artifact."""
    dialect = lease.job.request.dialect
    return [
        *attempt(lease, "succeeded", now=now),
        *jobs_ended({dialect: 1}, Status.SUCCEEDED),
        CounterValue(name=ROWS, dialect=dialect, value=artifact.rows),
        CounterValue(name=BYTES, dialect=dialect, value=artifact.bytes),
    ]


def jobs_ended(by_dialect: Mapping[str, int], status: Status) -> list[CounterValue]:
    """Return the counters of jobs that ended in ``status``."""
    return [
        CounterValue(name=JOBS_ENDED, dialect=dialect, label=status, value=value)
        for dialect, value in by_dialect.items()
    ]


def source_file(source: str, state: FileState, rows: int) -> list[CounterValue]:
    """Return the counters of an attempt at a file that left the file in ``state``."""
    if state is not FileState.LOADED:
        return []
    return [CounterValue(name=SOURCE_FILES, label=source), CounterValue(name=SOURCE_ROWS, label=source, value=rows)]


def leases_lost(by_dialect: Mapping[str, int]) -> list[CounterValue]:
    """Return the counters of leases that expired and were rescued."""
    return [CounterValue(name=LEASES_LOST, dialect=dialect, value=value) for dialect, value in by_dialect.items()]


def swept(task: str, on: Services, *, done: int, failed: int) -> None:
    """Record one run of a task that removes files, and the numbers of files that it removed or failed to remove."""
    values = (CounterValue(name=SWEEPS, label=task), CounterValue(name=SWEPT, label=task, value=done))
    with on.database.write() as connection:
        counters.add(connection, [*values, CounterValue(name=UNSWEPT, label=task, value=failed)])
