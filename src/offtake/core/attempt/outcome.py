"""The outcome of an attempt that did not publish: retry, requeue or failure, and the rescue of expired leases."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from offtake.core.attempt.cancellation import CancelReason
from offtake.core.counters import attempt, jobs_ended, leases_lost
from offtake.core.policy import AttemptPolicy
from offtake.core.services import Services
from offtake.errors import OfftakeError
from offtake.model.audit import AuditEntry
from offtake.model.job import Failure, Lease, Status
from offtake.store import audit, counters, job_queries, jobs, maintenance_tasks

MAX_DELAY = timedelta(minutes=10)
_MAX_LEASE = timedelta(hours=1)  # at least twice our own lease: other hosts may have other settings
_ABANDONED = "At every attempt, the worker that ran the export ended or stopped responding."


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Return the job to the queue for another attempt after ``delay``."""

    delay: timedelta


def decide(error: OfftakeError, attempts: int, policy: AttemptPolicy) -> Retry | Failure:
    """Return Retry, with exponential backoff, if the error is retryable and attempts are left; else Failure."""
    if error.retryable and attempts < policy.attempts:
        return Retry(delay=min(policy.retry_delay * 2 ** (attempts - 1), MAX_DELAY))
    return Failure(code=error.code, message=error.message)


def record_outcome(lease: Lease, error: OfftakeError, reason: CancelReason | None, on: Services) -> str:
    """Move the job after its attempt raised ``error``. Return requeued, retry, failed or lease_lost."""
    with on.database.write() as connection:
        now = on.now(connection)
        if reason is CancelReason.LEASE_LOST:
            moved, outcome = False, ""
        elif reason is CancelReason.STOPPING:
            moved, outcome = jobs.requeue(connection, lease, now=now), "requeued"
        else:
            decision = decide(error, lease.job.attempts, on.attempt)
            if isinstance(decision, Retry):
                moved, outcome = jobs.schedule_retry(connection, lease, not_before=now + decision.delay), "retry"
            else:
                moved, outcome = _fail(connection, lease, decision, now=now), "failed"
        outcome = outcome if moved else "lease_lost"
        failed = {lease.job.request.dialect: 1} if outcome == "failed" else {}
        counters.add(connection, [*attempt(lease, outcome, now=now), *jobs_ended(failed, Status.FAILED)])
    return outcome


def rescue_expired_leases(on: Services, *, dead_worker: str | None = None) -> int:
    """Rescue jobs with an expired lease, or all jobs of a dead worker. Return the number of jobs moved.

    Such a job is due again at once, because the loss of its worker is no evidence against the job. It fails when no
    attempts are left.
    """
    lost: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    horizon = max(_MAX_LEASE, 2 * on.attempt.lease)
    with on.database.read() as connection:
        if not job_queries.expired_leases(connection, now=on.now(connection), horizon=horizon, worker=dead_worker):
            return 0
    with on.database.write() as connection:
        now = on.now(connection)
        for lease in job_queries.expired_leases(connection, now=now, horizon=horizon, worker=dead_worker):
            dialect = lease.job.request.dialect
            if lease.job.attempts < on.attempt.attempts:
                lost[dialect] += jobs.schedule_retry(connection, lease, not_before=now)
            elif _fail(connection, lease, Failure(code="attempts_exhausted", message=_ABANDONED), now=now):
                lost[dialect] += 1
                failed[dialect] += 1
        if lost:
            maintenance_tasks.request(connection, maintenance_tasks.SWEEP, now=now)  # those attempts left files
        counters.add(connection, [*leases_lost(lost), *jobs_ended(failed, Status.FAILED)])
    return lost.total()


def fix_future_timestamps(on: Services) -> int:
    """Make jobs due whose retry lies further ahead than any delay: the clock was set back. Return their number.

    Shorter waits are kept, so after such a step a job may wait for up to ``MAX_DELAY``.
    """
    with on.database.write() as connection:
        return jobs.make_due(connection, now=on.now(connection), horizon=MAX_DELAY)


def _fail(connection: Connection, lease: Lease, failure: Failure, *, now: datetime) -> bool:
    """Fail the job and record the failure code in the tenant's audit log. Return False if the lease was lost."""
    job = lease.job
    if not jobs.fail(connection, lease, failure, now=now):
        return False
    entry = AuditEntry(
        operation="job.fail",
        dialect=job.request.dialect,
        tenant=job.tenant,
        principal=job.principal,
        job=job.id,
        outcome=failure.code,
    )
    audit.record(connection, entry, now=now)
    return True
