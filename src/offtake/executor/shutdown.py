"""The request to shut down, and the time in which a running attempt may finish.

SIGTERM and SIGINT request it, and so does the end of standard input if a supervisor holds its other end: a worker must
not outlive its server. A second SIGINT forces the shutdown; a second SIGTERM does not, because a service manager may
send it to a worker that has already got one from its server.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import timedelta
from types import FrameType


class Shutdown:
    """Requested once; ``drained`` becomes true when the drain time is over."""

    def __init__(self, drain: timedelta) -> None:
        self._drain = drain.total_seconds()
        self._requested = threading.Event()
        self._deadline = 0.0

    def request(self) -> None:
        """Stop after the running attempt, which may continue for the drain time."""
        if not self._requested.is_set():
            self._deadline = time.monotonic() + self._drain
            self._requested.set()

    def force(self) -> None:
        """Stop now; the running attempt is interrupted and its job requeued."""
        self._deadline = time.monotonic()
        self._requested.set()

    def requested(self) -> bool:
        """Whether a shutdown was requested."""
        return self._requested.is_set()

    def drained(self) -> bool:
        """Whether the drain time of the running attempt is over."""
        return self._requested.is_set() and time.monotonic() >= self._deadline

    def on_signals(self) -> None:
        """Request the shutdown on SIGTERM and SIGINT, and force it on a later SIGINT. Main thread only."""

        def handle(number: int, frame: FrameType | None) -> None:
            if self.requested() and number == signal.SIGINT:
                self.force()
            self.request()

        signal.signal(signal.SIGTERM, handle)
        signal.signal(signal.SIGINT, handle)

    def on_end_of_input(self) -> None:
        """Request the shutdown when standard input ends."""

        def watch() -> None:
            while os.read(0, 4096):  # sys.stdin holds a lock that blocks the interpreter's exit
                pass
            self.request()

        threading.Thread(target=watch, name="end-of-input", daemon=True).start()
