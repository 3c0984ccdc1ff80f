"""Wake-up of idle workers when jobs are queued, and of servers when jobs change that clients wait for.

On SQLite a process polls ``PRAGMA data_version``, which takes a few microseconds on a connection of its own. On
PostgreSQL the transaction that queues or moves a job sends a NOTIFY. Both are hints: the process also polls, so a
missed wake-up only causes a short delay.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Protocol

import psycopg
import structlog
from sqlalchemy import Connection, PoolProxiedConnection, text

from offtake.store.database import Database

_log = structlog.get_logger("offtake.wakeup")
_POLL_SECONDS = 0.01


class Channel(StrEnum):
    """What a process waits for."""

    QUEUED = "offtake_queued"  # a job was queued
    MOVED = "offtake_moved"  # a job moved to another state


_NOTIFY = {channel: text(f"SELECT pg_notify('{channel}', '')") for channel in Channel}
_RECEIVE_SECONDS = 0.1  # maximum delay until ``stop`` is checked
_RECONNECT_SECONDS = 1.0  # between failed connection attempts


class Wakeup(Protocol):
    """Wakes an idle worker."""

    def clear(self) -> None:
        """Forget earlier changes; ``wait`` returns on later ones."""

    def wait(self, timeout: float, stop: Callable[[], bool]) -> None:
        """Return after a change since ``clear``, when ``stop`` returns true, or after ``timeout`` seconds."""

    def close(self) -> None:
        """Close the connection."""


def wakeup(database: Database, channel: Channel = Channel.QUEUED) -> Wakeup:
    """Return the wake-up of the database for changes of one kind; on SQLite, for all changes."""
    if database.engine.dialect.name == "sqlite":
        return DataVersionPoller(database.engine.raw_connection())
    return NotificationListener(database.connect_directly, channel)


def announce(connection: Connection) -> None:
    """Wake the workers when this transaction commits. On SQLite the commit itself changes ``data_version``."""
    if connection.dialect.name == "postgresql":
        connection.execute(_NOTIFY[Channel.QUEUED])


def announce_move(connection: Connection) -> None:
    """Wake the servers with clients that wait for jobs when this transaction commits; as ``announce``."""
    if connection.dialect.name == "postgresql":
        connection.execute(_NOTIFY[Channel.MOVED])


class DataVersionPoller:
    """SQLite: polls a number that changes when another connection commits.

    It uses the driver's connection, because the engine would begin a transaction, inside which the number is constant.
    """

    def __init__(self, connection: PoolProxiedConnection) -> None:
        self._connection = connection
        self._last_version = self._version()

    def _version(self) -> int:
        cursor = self._connection.cursor()
        try:
            cursor.execute("PRAGMA data_version")
            return int(cursor.fetchone()[0])  # type: ignore[index]
        finally:
            cursor.close()

    def clear(self) -> None:
        """Forget earlier changes; ``wait`` returns on later ones."""
        self._last_version = self._version()

    def wait(self, timeout: float, stop: Callable[[], bool]) -> None:
        """Poll until the number changes, ``stop`` returns true or the timeout is over."""
        end = time.monotonic() + timeout
        while time.monotonic() < end and not stop() and self._version() == self._last_version:
            time.sleep(_POLL_SECONDS)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class NotificationListener:
    """PostgreSQL: receives notifications on a dedicated connection, which is reopened when it is lost.

    Without a connection, ``wait`` lasts for its timeout and workers depend on polling. Notifications may have been
    missed before a connection was opened, so the first ``wait`` on it returns at once.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection], channel: Channel = Channel.QUEUED) -> None:
        self._connect = connect
        self._channel = channel
        self._listener: psycopg.Connection | None = None
        self._connect_at = 0.0
        self._changed = False

    def clear(self) -> None:
        """Forget earlier changes; ``wait`` returns on later ones."""
        self._changed = False
        if self._listener is None:
            self._listen()
        self._receive(0)
        self._changed = False

    def wait(self, timeout: float, stop: Callable[[], bool]) -> None:
        """Receive notifications until one arrives, ``stop`` returns true or the timeout is over."""
        end = time.monotonic() + timeout
        while not self._changed and not stop() and (remaining := end - time.monotonic()) > 0:
            if self._listener is None and not self._listen():
                time.sleep(min(_POLL_SECONDS, remaining))
            else:
                self._receive(min(_RECEIVE_SECONDS, remaining))

    def _listen(self) -> bool:
        """Connect and listen, at most once per ``_RECONNECT_SECONDS``. Return whether that succeeded."""
        if time.monotonic() < self._connect_at:
            return False
        self._connect_at = time.monotonic() + _RECONNECT_SECONDS
        try:
            self._listener = self._connect()
            self._listener.execute(f"LISTEN {self._channel}")
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
            self._connect_at = 0.0  # the connection worked until now, so reconnect at once

    def _lost(self, error: psycopg.Error) -> None:
        _log.warning("listener_lost", error_class=type(error).__name__)
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._listener is not None:
            with suppress(psycopg.Error):
                self._listener.close()
            self._listener = None
