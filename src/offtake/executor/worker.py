"""The worker's loop: claim a job, run one attempt, record its outcome, repeat."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

import structlog

from offtake.core.attempt import outcome
from offtake.core.attempt.cancellation import Cancellation
from offtake.core.attempt.progress import AttemptProgress
from offtake.core.attempt.run import run_attempt
from offtake.core.services import Services
from offtake.errors import AttemptError, AuditUnavailable, OfftakeError, Unavailable, traceback_locations
from offtake.executor.lease_heartbeat import LeaseHeartbeat
from offtake.executor.shutdown import Shutdown
from offtake.executor.worker_heartbeat import WorkerHeartbeat
from offtake.model.job import Lease
from offtake.store import job_claims, job_queries
from offtake.store.wakeup import Wakeup, wakeup

_log = structlog.get_logger("offtake.worker")
_POLL_SECONDS = 1.0  # between claims without a wake-up; retries become due without one
_UNAVAILABLE_SECONDS = 1.0  # pause while the database is unreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker: its name in leases, and the maximum estimated duration of its jobs (None: unlimited)."""

    name: str
    longest: timedelta | None = None


def work(on: Services, worker: Worker, shutdown: Shutdown) -> None:
    """Run jobs until a shutdown is requested."""
    with closing(wakeup(on.database)) as changes, WorkerHeartbeat(worker.name, on):
        _loop(on, worker, shutdown, changes)


def _loop(on: Services, worker: Worker, shutdown: Shutdown, changes: Wakeup) -> None:
    while not shutdown.requested():
        try:
            changes.clear()  # before the claim, so that a job created in between is found by the claim or ends the wait
            lease = claim_next(on, worker)
            if lease is not None:
                attempt(lease, on, shutdown, Cancellation())
                continue
            changes.wait(_POLL_SECONDS, shutdown.requested)
        except (Unavailable, AuditUnavailable):  # the lease expires, and maintenance rescues the job
            _log.warning("store_unavailable", worker=worker.name)
            time.sleep(_UNAVAILABLE_SECONDS)


def claim_next(on: Services, worker: Worker) -> Lease | None:
    """Lease the next job; return None if no job is due."""
    if not _is_job_due(on, worker):
        return None
    with on.database.write() as connection:
        now = on.now(connection)
        until = now + on.attempt.lease
        return job_claims.claim(connection, worker=worker.name, now=now, until=until, longest=worker.longest)


def _is_job_due(on: Services, worker: Worker) -> bool:
    """Whether a job is due. Takes no lock, so that idle workers do not delay the creation of jobs."""
    with on.database.read() as connection:
        return job_queries.is_due(connection, now=on.now(connection), longest=worker.longest)


def attempt(lease: Lease, on: Services, shutdown: Shutdown, cancellation: Cancellation) -> None:
    """Run one attempt of a leased job and record its outcome. Other threads stop it through ``cancellation``.

    Raises Unavailable or AuditUnavailable if the outcome cannot be recorded; the lease then expires.
    """
    job, began = lease.job, time.monotonic()
    log = _log.bind(
        tenant=job.tenant,
        principal=job.principal,
        job=job.id,
        attempt=job.attempts,
        dialect=job.request.dialect,
        report=job.request.report,
        worker=lease.worker,
    )
    error: OfftakeError | None = None
    fields: dict[str, object] = {}
    progress = AttemptProgress()
    with LeaseHeartbeat(lease, on, cancellation=cancellation, progress=progress, shutdown=shutdown):
        try:
            artifact = run_attempt(lease, on, cancellation, progress)
            fields = {"rows": artifact.rows, "bytes": artifact.bytes}
        except OfftakeError as expected:
            error = expected
        except Exception as unexpected:  # noqa: BLE001 - the outermost handler of an attempt: every job must get an outcome
            error = _defect(unexpected)
    if error is not None:
        fields = {"error": error.code, "cause": _class_name(error.__cause__)}
        fields["outcome"] = outcome.record_outcome(lease, error, cancellation.reason, on)
    if progress.empty_tables:
        fields["empty_tables"] = list(progress.empty_tables)
    log.info("attempt", **({"outcome": "succeeded"} | fields), seconds=round(time.monotonic() - began, 3))


def _defect(error: Exception) -> AttemptError:
    """Log a defect of this program and return the failure of the attempt.

    The text of the error may quote rows, so the log gets only its class and locations.
    """
    _log.error("attempt_defect", error_class=_class_name(error), locations=traceback_locations(error))
    failure = AttemptError("The export failed because of an internal error.")
    failure.__cause__ = error
    return failure


def _class_name(error: BaseException | None) -> str | None:
    return None if error is None else type(error).__name__
