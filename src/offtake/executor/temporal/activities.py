"""The activity that handles one dispatched job."""

from __future__ import annotations

import contextvars
from contextlib import suppress
from datetime import timedelta
from functools import partial

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError

from offtake.core.attempt import outcome
from offtake.core.attempt.cancellation import Cancellation, CancelReason
from offtake.core.services import Services
from offtake.errors import AuditUnavailable, Unavailable, traceback_locations
from offtake.executor.background import BackgroundThread
from offtake.executor.shutdown import Shutdown
from offtake.executor.temporal.workflows import ATTEMPT
from offtake.executor.worker import attempt
from offtake.model.job import ENDED, Job, Lease, Status
from offtake.store import job_claims, job_queries

_log = structlog.get_logger("offtake.temporal")
_MIN_DELAY = timedelta(milliseconds=100)
_UNAVAILABLE_DELAY = timedelta(seconds=1)
_DEFECT_DELAY = timedelta(seconds=30)
_POLL_SECONDS = 0.2  # between checks for a cancellation in Temporal
_UNKNOWN = "unknown"  # result for a job that the database does not have


class Activities:
    """The activities of one worker. ``worker`` is its name in leases."""

    def __init__(self, on: Services, worker: str, shutdown: Shutdown) -> None:
        self._on = on
        self._worker = worker
        self._shutdown = shutdown

    @activity.defn(name=ATTEMPT, no_thread_cancel_exception=True)
    def attempt(self, job_id: str) -> str:
        """Run an attempt of the job and return the final state of the job.

        If the job is not final, raise the error that makes Temporal retry: when the job is due, or when its current
        lease must have been renewed.
        """
        cancellation = Cancellation()
        try:
            with _ActivityHeartbeat(cancellation, interval=self._on.attempt.heartbeat) as heartbeat:
                job = self._run_if_due(job_id, cancellation)
                delay = self._retry_delay(job)
        except (Unavailable, AuditUnavailable):  # without the cause, which Temporal would store and show
            raise _retry_later(_UNAVAILABLE_DELAY) from None
        except Exception as error:  # noqa: BLE001 - the outermost handler: the text of a defect may quote rows
            raise _defect(error) from None
        if job is None:
            return _UNKNOWN
        if job.status in ENDED:
            return str(job.status)
        if heartbeat.is_cancelled():
            raise CancelledError("Cancelled in Temporal; the job stays queued and is dispatched again.")
        raise _retry_later(delay)

    def _run_if_due(self, job_id: str, cancellation: Cancellation) -> Job | None:
        """Run an attempt if the job is due. Return the job as it is afterwards, or None if it does not exist."""
        job = self._find(job_id)
        if job is None or job.status in ENDED or self._shutdown.requested():
            return job
        if job.status is not Status.QUEUED:
            outcome.rescue_expired_leases(self._on)  # the worker may have died and the lease expired
        lease = self._claim(job_id)
        if lease is None:
            return self._find(job_id)
        attempt(lease, self._on, self._shutdown, cancellation)
        return self._find(job_id)

    def _retry_delay(self, job: Job | None) -> timedelta:
        """Return the time until the job is due, or until its lease must have been renewed."""
        if job is None or job.status is not Status.QUEUED:
            return self._on.attempt.lease / 3
        with self._on.database.read() as connection:
            return min(job.not_before - self._on.now(connection), outcome.MAX_DELAY)  # the clock may be put back

    def _find(self, job_id: str) -> Job | None:
        with self._on.database.read() as connection:
            return job_queries.get(connection, job_id)

    def _claim(self, job_id: str) -> Lease | None:
        with self._on.database.write() as connection:
            now = self._on.now(connection)
            return job_claims.claim_one(
                connection, job_id, worker=self._worker, now=now, until=now + self._on.attempt.lease
            )


class _ActivityHeartbeat(BackgroundThread):
    """Sends heartbeats to Temporal from a separate thread, and stops the attempt if its workflow was cancelled.

    If Temporal is unreachable, the attempt continues and may publish, as long as it holds the lease of the job.
    """

    def __init__(self, cancellation: Cancellation, *, interval: timedelta) -> None:
        context = contextvars.copy_context()  # the library stores the current activity there
        super().__init__("activity-heartbeat", partial(context.run, self._beat))
        self._cancellation = cancellation
        self._interval = interval.total_seconds()

    def _beat(self) -> None:
        waited = self._interval
        while not self._done.is_set():
            if waited >= self._interval:
                with suppress(TimeoutError):  # on an overloaded machine; the next heartbeat follows
                    activity.heartbeat()
                waited = 0.0
            if self.is_cancelled():
                self._cancellation.request(CancelReason.STOPPING)
            self._done.wait(_POLL_SECONDS)
            waited += _POLL_SECONDS

    def is_cancelled(self) -> bool:
        """Whether the workflow was cancelled. Works only in the context of the activity."""
        details = activity.cancellation_details()
        return details is not None and details.cancel_requested


def _retry_later(delay: timedelta) -> ApplicationError:
    """Return the error that makes Temporal retry the activity."""
    return ApplicationError(
        "The job is not final; retry after the delay.",
        type="Later",
        next_retry_delay=max(delay, _MIN_DELAY),
        category=ApplicationErrorCategory.BENIGN,
    )


def _defect(error: Exception) -> ApplicationError:
    """Log a defect of this program by class and locations, and ask for a retry."""
    _log.error("activity_defect", error_class=type(error).__name__, locations=traceback_locations(error))
    return ApplicationError("Internal error of the worker; see its log.", type="Defect", next_retry_delay=_DEFECT_DELAY)
