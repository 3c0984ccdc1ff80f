"""A thread that runs beside a block and is asked to end with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Beside:
    """``run`` looks at ``_done`` again and again. Leaving the block waits for its end, for ``patience`` seconds at most
    where they are given."""

    def __init__(self, name: str, run: Callable[[], object], *, patience: float | None = None) -> None:
        self._done = threading.Event()
        self._patience = patience
        self._thread = threading.Thread(target=run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(self._patience)
