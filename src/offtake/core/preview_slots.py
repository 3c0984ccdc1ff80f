"""The previews that one server process runs at once. They share its memory, so their number is limited."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from offtake.core.policy import PreviewPolicy
from offtake.errors import Unavailable

_RETRY_SECONDS = 1  # a preview rarely takes longer


class PreviewSlots:
    """A limited number of slots, each with the resources of ``policy``.

    The last free slot is kept for a tenant that holds none, so no tenant can take all of them.
    """

    def __init__(self, policy: PreviewPolicy) -> None:
        self.policy = policy
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()  # slots by tenant

    @contextmanager
    def take(self, tenant: str) -> Iterator[None]:
        """Hold a slot while the block runs. Raises Unavailable without a free one: a wait would hold a thread."""
        with self._lock:
            free = self.policy.at_once - self._held.total()
            if free < (2 if self._held[tenant] else 1):
                message = f"The server runs as many previews as it may; retry after {_RETRY_SECONDS} second."
                raise Unavailable(message, retry_after=_RETRY_SECONDS)
            self._held[tenant] += 1
        try:
            yield
        finally:
            with self._lock:
                self._held[tenant] -= 1
                self._held += Counter()  # forget tenants that hold none
