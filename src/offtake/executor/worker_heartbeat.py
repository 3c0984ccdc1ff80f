"""Says that this worker is alive, from a thread of its own: an attempt may take hours."""

from __future__ import annotations

from contextlib import suppress

from offtake.core.admin import worker_registry
from offtake.core.services import Services
from offtake.errors import Unavailable
from offtake.executor.background import BackgroundThread

_PATIENCE = 2.0  # seconds; a store that is away must not hold up the end, and silence says the same a little later


class WorkerHeartbeat(BackgroundThread):
    """Seen while the block runs, and gone after it."""

    def __init__(self, worker: str, on: Services) -> None:
        super().__init__("presence", self._say, patience=_PATIENCE)
        self._worker = worker
        self._on = on

    def _say(self) -> None:
        every = worker_registry.HEARTBEAT_INTERVAL.total_seconds()
        while not self._done.is_set():
            with suppress(Unavailable):  # then nobody learns of us; the store will be back
                worker_registry.heartbeat(self._worker, self._on)
            self._done.wait(every)
        with suppress(Unavailable):
            worker_registry.deregister(self._worker, self._on)
