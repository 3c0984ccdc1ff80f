"""Opening the database, and the two kinds of transaction.

``write`` on SQLite begins IMMEDIATE: the writer's lock is taken before the first read, so a count and the insert that
depends on it cannot be overtaken. ``read`` never waits for a writer (WAL). ``synchronous=FULL``:
an acknowledged commit survives a loss of power.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as SqlTimeoutError

from offtake.errors import Unavailable

_RETRY_AFTER = 2
_BUSY_MILLISECONDS = 15_000


class Database:
    """An engine with its transactions. Safe for threads; not for forked processes."""

    def __init__(self, url: str, *, connections: int = 20) -> None:
        self.engine = _engine(url, connections)
        self._reader = self.engine
        # SQLite has one writer at a time, and lets those who wait sleep ever longer; threads had better queue up here.
        self._writers = threading.BoundedSemaphore(1 if self.engine.dialect.name == "sqlite" else connections)
        # Point reads that never leave the process are quicker than a trip to another thread, and wait for nobody.
        self.reads_at_once = self.engine.dialect.name == "sqlite"
        if self.reads_at_once:
            event.listen(self.engine, "connect", _tune_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            # Readers begin nothing: a statement alone sees one state, and the engine is quicker without a listener.
            self._reader = _engine(url, connections)
            event.listen(self._reader, "connect", _tune_sqlite)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed at the end of the block, and undone by any exception."""
        if not self._writers.acquire(timeout=_BUSY_MILLISECONDS / 1000):
            raise Unavailable("The job store is busy.", retry_after=_RETRY_AFTER)
        try:
            with _reachable(), self.engine.begin() as connection:
                yield connection
        finally:
            self._writers.release()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for one statement that writes nothing. Statements that must agree belong into ``write``."""
        with _reachable(), self._reader.connect() as connection:
            yield connection

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()
        self._reader.dispose()


def _engine(url: str, connections: int) -> Engine:
    # The URL that every other program takes; which driver speaks to the server is our business.
    url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    return create_engine(url, pool_size=connections, max_overflow=10, pool_timeout=30)


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path}"


@contextmanager
def _reachable() -> Iterator[None]:
    """Trouble of the database itself is Unavailable; a broken constraint stays what it is: a defect of ours."""
    try:
        yield
    except (OperationalError, SqlTimeoutError) as error:
        raise Unavailable("The job store cannot be reached.", retry_after=_RETRY_AFTER) from error


def _tune_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_MILLISECONDS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """On the driver's connection: the engine's own way to run a statement costs as much as a whole point read."""
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - a transaction begins on a connection that is there
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        raise Unavailable("The job store is busy.", retry_after=_RETRY_AFTER) from error
