"""Learning that the store changed, without asking it for jobs all the time.

SQLite tells through ``PRAGMA data_version``, a few microseconds a look on a connection of one's own. Elsewhere there is
only the timeout; it is a hint in any case, with the caller's own poll behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from sqlalchemy import Connection

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
        return DataVersion(database.engine.connect().execution_options(isolation_level="AUTOCOMMIT"))
    return Patience()


class DataVersion:
    """SQLite: a number that changes whenever another connection has committed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._seen = self._version()

    def _version(self) -> int:
        return int(self._connection.exec_driver_sql("PRAGMA data_version").scalar_one())

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
