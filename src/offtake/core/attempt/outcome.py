"""What becomes of a job whose attempt did not publish: one pure decision, one statement."""

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
from offtake.store import audit, counters, jobs

MAX_DELAY = timedelta(minutes=10)
_MAX_LEASE = timedelta(hours=1)  # or twice ours, should that be more: others may have other settings
_ABANDONED = "The worker that ran the export ended or stopped answering, at every attempt."


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Back to the queue, to be tried after ``delay``."""

    delay: timedelta


def decide(error: OfftakeError, attempts: int, policy: AttemptPolicy) -> Retry | Failure:
    """Another attempt, later each time, while the error may pass and attempts are left; else the job fails."""
    if error.retryable and attempts < policy.attempts:
        return Retry(delay=min(policy.retry_delay * 2 ** (attempts - 1), MAX_DELAY))
    return Failure(code=error.code, message=error.message)


def record_outcome(lease: Lease, error: OfftakeError, reason: CancelReason | None, on: Services) -> str:
    """Move the job on after its attempt ended in ``error``; says in one word what became of it."""
    with on.database.write() as connection:
        now = on.now(connection)
        if reason is CancelReason.LEASE_LOST:
            moved, outcome = False, ""
        elif reason is CancelReason.STOPPING:
            moved, outcome = jobs.requeue(connection, lease, now=now), "requeued"
        else:
            verdict = decide(error, lease.job.attempts, on.attempt)
            if isinstance(verdict, Retry):
                moved, outcome = jobs.schedule_retry(connection, lease, not_before=now + verdict.delay), "retry"
            else:
                moved, outcome = _fail(connection, lease, verdict, now=now), "failed"
        outcome = outcome if moved else "lease_lost"
        failed = {lease.job.request.dialect: 1} if outcome == "failed" else {}
        counters.add(connection, [*attempt(lease, outcome, now=now), *jobs_ended(failed, Status.FAILED)])
    return outcome


def rescue_expired_leases(on: Services, *, dead_worker: str | None = None) -> int:
    """Take back leases that ran out, or all leases of a worker known to be dead. Returns how many jobs moved.

    Such a job is tried again at once: its worker's end says nothing against it, until it happens at every attempt.
    """
    lost: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    furthest = max(_MAX_LEASE, 2 * on.attempt.lease)
    with on.database.read() as connection:
        if not jobs.expired_leases(connection, now=on.now(connection), furthest=furthest, worker=dead_worker):
            return 0
    with on.database.write() as connection:
        now = on.now(connection)
        for lease in jobs.expired_leases(connection, now=now, furthest=furthest, worker=dead_worker):
            dialect = lease.job.request.dialect
            if lease.job.attempts < on.attempt.attempts:
                lost[dialect] += jobs.schedule_retry(connection, lease, not_before=now)
            elif _fail(connection, lease, Failure(code="attempts_exhausted", message=_ABANDONED), now=now):
                lost[dialect] += 1
                failed[dialect] += 1
        counters.add(connection, [*leases_lost(lost), *jobs_ended(failed, Status.FAILED)])
    return lost.total()


def fix_future_timestamps(on: Services) -> int:
    """Make due what no wait of ours can have put off so long: the clock has been put back since. Returns how many jobs.

    Waits that may be ours are kept, so after such a step a job may wait for as long as the longest of them.
    """
    with on.database.write() as connection:
        return jobs.make_due(connection, now=on.now(connection), furthest=MAX_DELAY)


def _fail(connection: Connection, lease: Lease, failure: Failure, *, now: datetime) -> bool:
    """End the job, and say so with its code in the audit log of its tenant."""
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
