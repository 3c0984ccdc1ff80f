"""How the wish to stop reaches a running query.

The heartbeat asks; the attempt's session is interrupted again and again until the attempt has noticed, because an
interrupt that falls between two queries is lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from offtake.errors import AttemptInterrupted


class CancelReason(StrEnum):
    """Why an attempt has to stop."""

    LEASE_LOST = "lease_lost"  # cancelled, or leased by somebody else
    TOO_MANY_ROWS = "too_many_rows"
    STOPPING = "stopping"  # the worker goes; the job is handed back


class Cancellation:
    """One per attempt, shared by the attempt and its heartbeat."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self.reason: CancelReason | None = None

    def request(self, reason: CancelReason) -> None:
        """Stop; the first reason stands. May be called again and again."""
        with self._lock:
            self.reason = self.reason or reason
            if self._stop is not None:
                self._stop()

    def check(self) -> None:
        """Raise AttemptInterrupted if somebody asked."""
        if self.reason is not None:
            raise AttemptInterrupted("The attempt was asked to stop.")

    @contextmanager
    def notifying(self, stop: Callable[[], None]) -> Iterator[None]:
        """While the block runs, ``stop`` is how to interrupt it."""
        with self._lock:
            self._stop = stop
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._stop = None
