"""The previews that one server process runs at once. They share its memory, so their number is limited."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from offtake.core.policy import PreviewPolicy
from offtake.errors import Unavailable

_RETRY_SECONDS = 1  # a preview rarely takes longer


class PreviewSlots:
    """A limited number of slots, each with the resources of ``policy``."""

    def __init__(self, policy: PreviewPolicy) -> None:
        self.policy = policy
        self._free = threading.BoundedSemaphore(policy.at_once)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold a slot while the block runs. Raises Unavailable if all are taken: a wait would hold a thread."""
        if not self._free.acquire(blocking=False):
            message = f"The server runs {self.policy.at_once} previews already; retry after {_RETRY_SECONDS} second."
            raise Unavailable(message, retry_after=_RETRY_SECONDS)
        try:
            yield
        finally:
            self._free.release()
