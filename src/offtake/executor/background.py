"""A background thread that runs while a ``with`` block runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from offtake.errors import traceback_locations

_log = structlog.get_logger("offtake.thread")
_RESTART_SECONDS = 1.0  # after a defect


class BackgroundThread:
    """A thread whose ``run`` returns soon after ``_done`` is set.

    Leaving the block stops the thread and waits for it, at most until ``join_seconds`` after the stop if given. After a
    defect the thread logs it and starts again, because leases and dispatch depend on the thread.
    """

    def __init__(self, name: str, run: Callable[[], object], *, join_seconds: float | None = None) -> None:
        self._done = threading.Event()
        self._join_seconds = join_seconds
        self._stopped_at: float | None = None  # monotonic
        self._run_once = run
        self._thread = threading.Thread(target=self._keep_running, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, error_class: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        stopped_at = self.stop()
        if self._join_seconds is None:
            self._thread.join()
        else:
            self._thread.join(max(0.0, stopped_at + self._join_seconds - time.monotonic()))

    def stop(self) -> float:
        """Let the thread end, without waiting for it; return when it was first stopped (monotonic).

        A caller that leaves several blocks stops all threads first: none works on while the caller waits for another,
        and the waits overlap.
        """
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
        self._done.set()
        return self._stopped_at

    def _keep_running(self) -> None:
        while True:
            try:
                self._run_once()
            except Exception as error:  # noqa: BLE001 - its text may quote rows, so only class and locations are logged
                _log.error(
                    "thread_defect",
                    thread=self._thread.name,
                    error_class=type(error).__name__,
                    locations=traceback_locations(error),
                )
                if not self._done.wait(_RESTART_SECONDS):
                    continue
            return
