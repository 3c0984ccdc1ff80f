"""Registers this worker regularly from a thread of its own, because an attempt may take hours."""

from __future__ import annotations

from contextlib import suppress

from offtake.core.admin import worker_registry
from offtake.core.services import Services
from offtake.errors import Unavailable
from offtake.executor.background import BackgroundThread

_STOP_SECONDS = 2.0  # an unreachable database must not delay the shutdown; the registration expires anyway


class WorkerHeartbeat(BackgroundThread):
    """Registers the worker while the block runs and deregisters it afterwards."""

    def __init__(self, worker: str, on: Services) -> None:
        super().__init__("worker-heartbeat", self._beat, patience=_STOP_SECONDS)
        self._worker = worker
        self._on = on

    def _beat(self) -> None:
        every = worker_registry.HEARTBEAT_INTERVAL.total_seconds()
        while not self._done.is_set():
            with suppress(Unavailable):  # the next heartbeat registers the worker
                worker_registry.heartbeat(self._worker, self._on)
            self._done.wait(every)
        with suppress(Unavailable):
            worker_registry.deregister(self._worker, self._on)
