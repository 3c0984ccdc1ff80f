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
from offtake.store import jobs

_log = structlog.get_logger("offtake.temporal")
_SHORTEST_WAIT = timedelta(milliseconds=100)
_UNAVAILABLE_DELAY = timedelta(seconds=1)
_DEFECT = timedelta(seconds=30)
_POLL_SECONDS = 0.2  # between checks for a cancellation in Temporal
_UNKNOWN = "unknown"  # this database has no such job


class Activities:
    """The activities of one worker. ``worker`` is its name in leases."""

    def __init__(self, on: Services, worker: str, shutdown: Shutdown) -> None:
        self._on = on
        self._worker = worker
        self._shutdown = shutdown

    @activity.defn(name=ATTEMPT, no_thread_cancel_exception=True)
    def attempt(self, job_id: str) -> str:
        """Return the final state of the job. Before that, ask for a retry: when the job is due, or when the current
        lease must have been renewed."""
        cancellation = Cancellation()
        try:
            with _Pulse(cancellation, every=self._on.attempt.heartbeat) as pulse:
                job = self._see_to(job_id, cancellation)
                wait = self._wait(job)
        except (Unavailable, AuditUnavailable):  # no cause: Temporal keeps causes, and shows them
            raise _later(_UNAVAILABLE_DELAY) from None
        except Exception as error:  # noqa: BLE001 - the outermost loop: the text of a defect may quote rows
            raise _defect(error) from None
        if job is None:
            return _UNKNOWN
        if job.status in ENDED:
            return str(job.status)
        if pulse.cancelled():
            raise CancelledError("Cancelled in Temporal; the job stays queued and is dispatched again.")
        raise _later(wait)

    def _see_to(self, job_id: str, cancellation: Cancellation) -> Job | None:
        """Run an attempt if it is the job's time; the job as it is afterwards."""
        job = self._find(job_id)
        if job is None or job.status in ENDED or self._shutdown.requested():
            return job
        if job.status is not Status.QUEUED:
            outcome.rescue_expired_leases(self._on)  # its worker may be dead and the lease expired
        lease = self._claim(job_id)
        if lease is None:
            return self._find(job_id)
        attempt(lease, self._on, self._shutdown, cancellation)
        return self._find(job_id)

    def _wait(self, job: Job | None) -> timedelta:
        """Until it may run, or must have been heard of."""
        if job is None or job.status is not Status.QUEUED:
            return self._on.attempt.lease / 3
        with self._on.database.read() as connection:
            return min(job.not_before - self._on.now(connection), outcome.MAX_DELAY)  # clocks may be put back

    def _find(self, job_id: str) -> Job | None:
        with self._on.database.read() as connection:
            return jobs.get(connection, job_id)

    def _claim(self, job_id: str) -> Lease | None:
        with self._on.database.write() as connection:
            now = self._on.now(connection)
            return jobs.claim_one(connection, job_id, worker=self._worker, now=now, until=now + self._on.attempt.lease)


class _Pulse(BackgroundThread):
    """Tells Temporal that the attempt lives, from a thread of its own, and stops the attempt when the workflow was
    cancelled there. Loss of Temporal stops nothing: while the row's lease holds, the attempt may go on and publish."""

    def __init__(self, cancellation: Cancellation, *, every: timedelta) -> None:
        context = contextvars.copy_context()  # where the library keeps which activity this is
        super().__init__("pulse", partial(context.run, self._beat))
        self._cancellation = cancellation
        self._every = every.total_seconds()

    def _beat(self) -> None:
        waited = self._every
        while not self._done.is_set():
            if waited >= self._every:
                with suppress(TimeoutError):  # a process that is short of breath: the next one counts
                    activity.heartbeat()
                waited = 0.0
            if self.cancelled():
                self._cancellation.request(CancelReason.STOPPING)
            self._done.wait(_POLL_SECONDS)
            waited += _POLL_SECONDS

    def cancelled(self) -> bool:
        """Whether the workflow was cancelled. Within the activity only."""
        details = activity.cancellation_details()
        return details is not None and details.cancel_requested


def _later(delay: timedelta) -> ApplicationError:
    """Return the error that makes Temporal retry the activity."""
    return ApplicationError(
        "Not now.",
        type="Later",
        next_retry_delay=max(delay, _SHORTEST_WAIT),
        category=ApplicationErrorCategory.BENIGN,
    )


def _defect(error: Exception) -> ApplicationError:
    """Log a defect of this program by class and locations, and ask for a retry."""
    _log.error("activity_defect", kind=type(error).__name__, locations=traceback_locations(error))
    return ApplicationError("Internal error of the worker; see its log.", type="Defect", next_retry_delay=_DEFECT)
