"""Renews the lease of a running attempt from a separate thread, and interrupts the attempt when it must stop.

Each renewal records the attempt's progress. A long query does not delay it. The thread interrupts the query when the
lease is lost (the job was cancelled, or another worker leased it because this process hung) and when the drain time of
a shutdown is over. If the attempt does not end when interrupted, the thread ends the process, and another worker
replaces it.
"""

from __future__ import annotations

import os
import time

import structlog

from offtake.core.attempt.cancellation import Cancellation, CancelReason
from offtake.core.attempt.progress import AttemptProgress
from offtake.core.services import Services
from offtake.errors import Unavailable
from offtake.executor.background import BackgroundThread
from offtake.executor.shutdown import Shutdown
from offtake.model.job import Lease
from offtake.store import job_queries, jobs

_log = structlog.get_logger("offtake.heartbeat")
_POLL_SECONDS = 0.2  # between reads of the job's row, so that a cancelled job stops within a second
_STUCK_SECONDS = 180.0  # after the first interrupt; a storage request times out in half of that
_STUCK_EXIT_CODE = 70  # EX_SOFTWARE
_INTERRUPT_SECONDS = 0.05  # between repeated interrupts of a running query


class LeaseHeartbeat(BackgroundThread):
    """Renews the lease while the block runs."""

    def __init__(
        self,
        lease: Lease,
        on: Services,
        *,
        cancellation: Cancellation,
        progress: AttemptProgress,
        shutdown: Shutdown,
    ) -> None:
        super().__init__("heartbeat", self._beat)
        self._lease = lease
        self._on = on
        self._cancellation = cancellation
        self._progress = progress
        self._shutdown = shutdown
        self._interrupted_at: float | None = None

    def _beat(self) -> None:
        every = self._on.attempt.heartbeat.total_seconds()
        renew_at = time.monotonic() + every  # the claim has just started the lease
        while not self._done.is_set():
            if self._cancellation.reason is not None:
                self._end_if_stuck()
                self._cancellation.request(self._cancellation.reason)
                self._done.wait(_INTERRUPT_SECONDS)
                continue
            if self._shutdown.drained():
                self._cancellation.request(CancelReason.STOPPING)
                continue
            due = time.monotonic() >= renew_at
            if not self._holds_lease(renew=due):
                self._cancellation.request(CancelReason.LEASE_LOST)
            if due:
                renew_at = time.monotonic() + every
            self._done.wait(_POLL_SECONDS)

    def _end_if_stuck(self) -> None:
        """End the process of a stuck attempt: DuckDB 2.0 can deadlock when a COPY is interrupted while writing."""
        now = time.monotonic()
        self._interrupted_at = self._interrupted_at or now
        if now - self._interrupted_at >= _STUCK_SECONDS:
            _log.error("attempt_stuck", job=self._lease.job.id, reason=str(self._cancellation.reason))
            os._exit(_STUCK_EXIT_CODE)

    def _holds_lease(self, *, renew: bool) -> bool:
        """Whether this worker holds the lease. While the database is unreachable, assume that it does."""
        database = self._on.database
        try:
            if renew:
                with database.write() as connection:
                    until = self._on.now(connection) + self._on.attempt.lease
                    return jobs.renew(connection, self._lease, until=until, progress=self._progress.current)
            with database.read() as connection:
                return job_queries.holds(connection, self._lease)
        except Unavailable:
            return True
