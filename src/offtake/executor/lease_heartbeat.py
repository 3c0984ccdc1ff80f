"""Keeps a lease alive from a thread of its own, and carries back the wish to stop.

A long query never delays it. When the lease is gone (cancelled, or taken over because this process hung) the query is
interrupted at once; the same when the worker has been asked to stop and its time to drain is over. Should an attempt
not end for all that, its process does: a worker that hangs is a worker less, and a new one begins in its place.
"""

from __future__ import annotations

import os
import time

import structlog

from offtake.core.attempt.cancellation import Cancellation, CancelReason
from offtake.core.services import Services
from offtake.errors import Unavailable
from offtake.executor.background import BackgroundThread
from offtake.executor.shutdown import Shutdown
from offtake.model.job import Lease
from offtake.store import jobs

_log = structlog.get_logger("offtake.heartbeat")
_LOOK = 0.2  # seconds between looks at the job's row: a cancel interrupts well within a second
_STUCK = 180.0  # seconds after the first interrupt; a request to a store that does not answer takes half of that
_STUCK_CODE = 70  # EX_SOFTWARE
_AGAIN = 0.05  # seconds between interrupts of a query that has not noticed yet


class LeaseHeartbeat(BackgroundThread):
    """Runs while the block runs."""

    def __init__(self, lease: Lease, on: Services, *, cancellation: Cancellation, shutdown: Shutdown) -> None:
        super().__init__("heartbeat", self._beat)
        self._lease = lease
        self._on = on
        self._cancellation = cancellation
        self._shutdown = shutdown
        self._interrupted_at: float | None = None

    def _beat(self) -> None:
        every = self._on.attempt.heartbeat.total_seconds()
        renew_at = time.monotonic() + every  # the claim has just set the lease
        while not self._done.is_set():
            if self._cancellation.reason is not None:
                self._end_if_stuck()
                self._cancellation.request(self._cancellation.reason)
                self._done.wait(_AGAIN)
                continue
            if self._shutdown.drained():
                self._cancellation.request(CancelReason.STOPPING)
                continue
            due = time.monotonic() >= renew_at
            if not self._held(renew=due):
                self._cancellation.request(CancelReason.LEASE_LOST)
            if due:
                renew_at = time.monotonic() + every
            self._done.wait(_LOOK)

    def _end_if_stuck(self) -> None:
        """DuckDB 2.0 may wait for itself for ever when a COPY is interrupted while its file is being written."""
        now = time.monotonic()
        self._interrupted_at = self._interrupted_at or now
        if now - self._interrupted_at >= _STUCK:
            _log.error("attempt_stuck", job=self._lease.job.id, reason=str(self._cancellation.reason))
            os._exit(_STUCK_CODE)

    def _held(self, *, renew: bool) -> bool:
        """Whether the lease is ours. A store that cannot be reached does not take it away; its end will."""
        database = self._on.database
        try:
            if renew:
                with database.write() as connection:
                    until = self._on.now(connection) + self._on.attempt.lease
                    return jobs.renew(connection, self._lease, until=until)
            with database.read() as connection:
                return jobs.holds(connection, self._lease)
        except Unavailable:
            return True
