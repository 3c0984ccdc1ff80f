"""Learning that the store changed, without asking it for jobs all the time.

SQLite tells through ``PRAGMA data_version``, a few microseconds a look on a connection of one's own. Elsewhere there is
only the timeout; it is a hint in any case, with the caller's own poll behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from sqlalchemy import PoolProxiedConnection

from offtake.store.database import Database

_LOOK = 0.01  # seconds between looks


class Wakeup(Protocol):
    """Wakes a worker that has nothing to do."""

    def clear(self) -> None:
        """From now on, changes count."""

    def wait(self, timeout: float, stop: Callable[[], bool]) -> None:
        """Return when something changed since ``clear``, when ``stop`` says so, or after ``timeout`` seconds."""

    def close(self) -> None:
        """Give the connection back."""


def wakeup(database: Database) -> Wakeup:
    """The best this database offers."""
    if database.engine.dialect.name == "sqlite":
        return DataVersion(database.engine.raw_connection())
    return Patience()


class DataVersion:
    """SQLite: a number that changes whenever another connection has committed.

    The driver's own connection, because inside a transaction, which the engine would begin, the number stands still.
    """

    def __init__(self, connection: PoolProxiedConnection) -> None:
        self._connection = connection
        self._seen = self._version()

    def _version(self) -> int:
        cursor = self._connection.cursor()
        try:
            cursor.execute("PRAGMA data_version")
            return int(cursor.fetchone()[0])  # type: ignore[index]
        finally:
            cursor.close()

    def clear(self) -> None:
        """From now on, changes count."""
        self._seen = self._version()

    def wait(self, timeout: float, stop: Callable[[], bool]) -> None:
        """Look until the number differs."""
        end = time.monotonic() + timeout
        while time.monotonic() < end and not stop() and self._version() == self._seen:
            time.sleep(_LOOK)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


class Patience:
    """Any other database: only the timeout."""

    def clear(self) -> None:
        """Nothing to remember."""

    def wait(self, timeout: float, stop: Callable[[], bool]) -> None:
        """Wait, a little at a time."""
        end = time.monotonic() + timeout
        while time.monotonic() < end and not stop():
            time.sleep(_LOOK)

    def close(self) -> None:
        """Nothing to give back."""
