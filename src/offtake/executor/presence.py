"""Says that this worker is alive, from a thread of its own: an attempt may take hours."""

from __future__ import annotations

import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from offtake.core import presence
from offtake.core.services import Services
from offtake.errors import Unavailable

_PATIENCE = 2.0  # seconds; a store that is away must not hold up the end, and silence says the same a little later


class Presence:
    """Seen while the block runs, and gone after it."""

    def __init__(self, worker: str, on: Services) -> None:
        self._worker = worker
        self._on = on
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._say, name="presence", daemon=True)

    def _say(self) -> None:
        every = presence.EVERY.total_seconds()
        while not self._done.is_set():
            with suppress(Unavailable):  # then nobody learns of us; the store will be back
                presence.see(self._worker, self._on)
            self._done.wait(every)
        with suppress(Unavailable):
            presence.leave(self._worker, self._on)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(_PATIENCE)
