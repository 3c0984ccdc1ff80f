"""Turns: the server works on a bounded number of requests of one client or tenant at a time; the others wait in line.

Without them, work would be done in the sequence in which requests arrive, and a client that sends many at a time would
delay all others by the time that its own requests take.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """At most ``most`` turns of each key at a time. ``take`` and ``give_back`` are thread-safe."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # only for keys with all turns taken

    def take(self, key: str) -> bool:
        """Take a turn if one is free; otherwise return False."""
        with self._lock:
            return self._take(key)

    async def wait(self, key: str) -> None:
        """Take a turn, after those who wait for one already."""
        with self._lock:
            if self._take(key):
                return
            turn = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(key, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not self._leave_line(key, turn) and not turn.cancelled():
                self.give_back(key)  # it got the turn in the same moment
            raise

    def give_back(self, key: str) -> None:
        """End a turn; the first who waits gets it."""
        with self._lock:
            line = self._waiting.get(key)
            if not line:
                self._taken[key] -= 1
                if not self._taken[key]:
                    del self._taken[key]
                return
            turn = self._next(key, line)
        turn.get_loop().call_soon_threadsafe(self._hand_over, key, turn)

    @contextmanager
    def taken(self, key: str) -> Iterator[None]:
        """Give back a turn, which was taken before, at the end of the block."""
        try:
            yield
        finally:
            self.give_back(key)

    async def one_of_this_moment(self, key: str) -> None:
        """Take a turn for work that runs in the event loop without a pause, and give it back in the loop's next round.

        In one round, the loop thus works on at most ``most`` requests of a key.
        """
        if not self.take(key):
            await self.wait(key)
        asyncio.get_running_loop().call_soon(self.give_back, key)

    def _take(self, key: str) -> bool:
        taken = self._taken.get(key, 0)  # for a missing key, ``[]`` of a Counter takes ten times as long
        if taken >= self._most:
            return False
        self._taken[key] = taken + 1
        return True

    def _next(self, key: str, line: deque[asyncio.Future[None]]) -> asyncio.Future[None]:
        turn = line.popleft()
        if not line:
            del self._waiting[key]
        return turn

    def _hand_over(self, key: str, turn: asyncio.Future[None]) -> None:
        if turn.cancelled():
            self.give_back(key)
        else:
            turn.set_result(None)

    def _leave_line(self, key: str, turn: asyncio.Future[None]) -> bool:
        """Return whether the turn was still awaited."""
        with self._lock:
            line = self._waiting.get(key)
            if line is None or turn not in line:
                return False
            line.remove(turn)
            if not line:
                del self._waiting[key]
            return True
