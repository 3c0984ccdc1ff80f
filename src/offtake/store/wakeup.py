"""Learning that the store changed, without asking it for jobs all the time.

SQLite tells through ``PRAGMA data_version``, a few microseconds a look on a connection of one's own. PostgreSQL tells
by NOTIFY, which whoever queues a job sends in the same transaction. Either is a hint only, with the caller's own poll
behind it: what was missed is found a moment later.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import psycopg
import structlog
from sqlalchemy import Connection, PoolProxiedConnection, text

from offtake.store.database import Database

_log = structlog.get_logger("offtake.wakeup")
_LOOK = 0.01  # seconds between looks
_CHANNEL = "offtake_queued"
_LISTEN = f"LISTEN {_CHANNEL}"
_NOTIFY = text(f"SELECT pg_notify('{_CHANNEL}', '')")
_SLICE = 0.1  # seconds for which the wish to stop may go unnoticed
_CONNECT_AGAIN = 1.0  # seconds between attempts to reach a server that does not listen


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
    return Notices(database.connect_directly)


def announce(connection: Connection) -> None:
    """A job waits for a worker once this transaction is committed; SQLite says so by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(_NOTIFY)


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


class Notices:
    """PostgreSQL: notices, on a connection that nothing else uses and that is made again when it breaks.

    While there is none, a wait is only its timeout, so workers go on by polling. A fresh connection may have missed
    something, so the first wait with it ends at once.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection]) -> None:
        self._connect = connect
        self._listener: psycopg.Connection | None = None
        self._connect_at = 0.0
        self._changed = False

    def clear(self) -> None:
        """From now on, changes count."""
        self._changed = False
        if self._listener is None:
            self._listen()
        self._receive(0)
        self._changed = False

    def wait(self, timeout: float, stop: Callable[[], bool]) -> None:
        """Receive, a slice of the time at once."""
        end = time.monotonic() + timeout
        while not self._changed and not stop() and (left := end - time.monotonic()) > 0:
            if self._listener is None and not self._listen():
                time.sleep(min(_LOOK, left))
            else:
                self._receive(min(_SLICE, left))

    def _listen(self) -> bool:
        """Try to have a listener; not all the time."""
        if time.monotonic() < self._connect_at:
            return False
        self._connect_at = time.monotonic() + _CONNECT_AGAIN
        try:
            self._listener = self._connect()
            self._listener.execute(_LISTEN)
        except psycopg.Error as error:
            self._lost(error)
            return False
        self._changed = True
        return True

    def _receive(self, timeout: float) -> None:
        if self._listener is None:
            return
        try:
            for _ in self._listener.notifies(timeout=timeout, stop_after=1 if timeout else None):
                self._changed = True
        except psycopg.Error as error:
            self._lost(error)
            self._connect_at = 0.0  # it did listen until now

    def _lost(self, error: psycopg.Error) -> None:
        _log.warning("listener_lost", kind=type(error).__name__)
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._listener is not None:
            with suppress(psycopg.Error):
                self._listener.close()
            self._listener = None
