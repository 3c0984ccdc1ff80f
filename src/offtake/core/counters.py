"""What is counted, under which name. Whoever ends an attempt or a job adds to these sums in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from offtake.core.services import Services
from offtake.model.artifact import Artifact
from offtake.model.job import Lease, Status
from offtake.store import counters
from offtake.store.counters import CounterValue

ATTEMPTS = "attempts"  # kind: how they ended
ATTEMPT_MILLISECONDS = "attempt_milliseconds"
ATTEMPTS_WITHIN = "attempts_within"  # kind: seconds, as in SECONDS; longer ones: LONGER
ROWS = "rows"
BYTES = "bytes"
JOBS_ENDED = "jobs_ended"  # kind: the status
LEASES_LOST = "leases_lost"
SWEEPS = "sweeps"  # kind: the chore
SWEPT = "swept"  # kind: the chore
UNSWEPT = "unswept"  # kind: the chore
SECONDS = (1, 5, 15, 60, 300, 1800, 7200)
LONGER = "+Inf"


def attempt(lease: Lease, outcome: str, *, now: datetime) -> list[CounterValue]:
    """One attempt that said how it ended, and how long it took."""
    job, dialect = lease.job, lease.job.request.dialect
    took = max(0.0, (now - (job.started_at or now)).total_seconds())
    within = next((str(bound) for bound in SECONDS if took <= bound), LONGER)
    return [
        CounterValue(name=ATTEMPTS, dialect=dialect, kind=outcome),
        CounterValue(name=ATTEMPT_MILLISECONDS, dialect=dialect, value=round(took * 1000)),
        CounterValue(name=ATTEMPTS_WITHIN, dialect=dialect, kind=within),
    ]


def published(lease: Lease, artifact: Artifact, *, now: datetime) -> list[CounterValue]:
    """An attempt whose artifact may be downloaded from now on."""
    dialect = lease.job.request.dialect
    return [
        *attempt(lease, "succeeded", now=now),
        *jobs_ended({dialect: 1}, Status.SUCCEEDED),
        CounterValue(name=ROWS, dialect=dialect, value=artifact.rows),
        CounterValue(name=BYTES, dialect=dialect, value=artifact.bytes),
    ]


def jobs_ended(by_dialect: Mapping[str, int], status: Status) -> list[CounterValue]:
    """Jobs that came to an end."""
    return [
        CounterValue(name=JOBS_ENDED, dialect=dialect, kind=status, value=value)
        for dialect, value in by_dialect.items()
    ]


def leases_lost(by_dialect: Mapping[str, int]) -> list[CounterValue]:
    """Leases that were taken back from workers that died or fell silent."""
    return [CounterValue(name=LEASES_LOST, dialect=dialect, value=value) for dialect, value in by_dialect.items()]


def swept(task: str, on: Services, *, done: int, failed: int) -> None:
    """A chore was done."""
    sums = (CounterValue(name=SWEEPS, kind=task), CounterValue(name=SWEPT, kind=task, value=done))
    with on.database.write() as connection:
        counters.add(connection, [*sums, CounterValue(name=UNSWEPT, kind=task, value=failed)])
