"""Cancellation of a running attempt.

The heartbeat requests it and repeats the request until the attempt has stopped: an interrupt that arrives between two
queries has no effect.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from offtake.errors import AttemptInterrupted


class CancelReason(StrEnum):
    """Why an attempt must stop."""

    LEASE_LOST = "lease_lost"  # the job was cancelled, or another worker holds the lease
    TOO_MANY_ROWS = "too_many_rows"  # the file exceeds the row limit of the request
    OVER_BUDGET = "over_budget"  # the file exceeds what is left of the tenant's budget
    STOPPING = "stopping"  # the worker shuts down; the job is requeued


class Cancellation:
    """Cancellation state of one attempt, shared by its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._interrupt: Callable[[], None] | None = None
        self.reason: CancelReason | None = None

    def request(self, reason: CancelReason) -> None:
        """Request the attempt to stop. The first reason is kept; each call repeats the interrupt."""
        with self._lock:
            self.reason = self.reason or reason
            if self._interrupt is not None:
                self._interrupt()

    def check(self) -> None:
        """Raise AttemptInterrupted if a cancellation was requested."""
        if self.reason is not None:
            raise AttemptInterrupted("The attempt was asked to stop.")

    @contextmanager
    def interrupting(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Call ``interrupt`` when a cancellation is requested while the block runs."""
        with self._lock:
            self._interrupt = interrupt
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._interrupt = None
