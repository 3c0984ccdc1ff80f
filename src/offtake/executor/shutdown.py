"""The request to stop, and how long a running attempt may still take.

Asked by SIGTERM, SIGINT, or the end of standard input when a supervisor holds its other end: a worker must not outlive
the server that started it. SIGINT once more ends the patience; SIGTERM does not, because a service manager may send it
to a worker that its server has told already.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import timedelta
from types import FrameType


class Shutdown:
    """Set once; ``drained`` becomes true when the time to finish is over."""

    def __init__(self, drain: timedelta) -> None:
        self._drain = drain.total_seconds()
        self._requested = threading.Event()
        self._deadline = 0.0

    def request(self) -> None:
        """Stop after the running attempt, and let that go on for the drain time at most."""
        if not self._requested.is_set():
            self._deadline = time.monotonic() + self._drain
            self._requested.set()

    def force(self) -> None:
        """Stop, and do not let the running attempt go on: it is handed back."""
        self._deadline = time.monotonic()
        self._requested.set()

    def requested(self) -> bool:
        """Whether somebody asked."""
        return self._requested.is_set()

    def drained(self) -> bool:
        """Whether the running attempt has had its time."""
        return self._requested.is_set() and time.monotonic() >= self._deadline

    def on_signals(self) -> None:
        """Ask on SIGTERM and SIGINT, hurry on SIGINT after either. Main thread only."""

        def handle(number: int, frame: FrameType | None) -> None:
            if self.requested() and number == signal.SIGINT:
                self.force()
            self.request()

        signal.signal(signal.SIGTERM, handle)
        signal.signal(signal.SIGINT, handle)

    def on_end_of_input(self) -> None:
        """Ask when standard input ends."""

        def watch() -> None:
            while os.read(0, 4096):  # not sys.stdin: its lock would be missed when the interpreter ends
                pass
            self.request()

        threading.Thread(target=watch, name="end-of-input", daemon=True).start()
