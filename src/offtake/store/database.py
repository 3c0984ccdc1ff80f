"""Opening the database, and the two kinds of transaction.

``write`` on SQLite begins IMMEDIATE: the writer's lock is taken before the first read, so a count and the insert that
depends on it cannot be overtaken. ``read`` never waits for a writer (WAL). ``synchronous=FULL``:
an acknowledged commit survives a loss of power.

On PostgreSQL a connection that the server has ended is noticed when it is taken from the pool, so that a restarted
server costs those who were in the middle of something, and nobody else; and a process that stands still inside a
transaction loses its locks.
"""

from __future__ import annotations

import select
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as SqlTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from offtake.errors import SettingsError, Unavailable

_RETRY_AFTER = 2
_BUSY_MILLISECONDS = 15_000
_SQLITE_CONNECTIONS = 20
_POSTGRESQL_CONNECTIONS = 10  # a server has 100 for all; what serves HTTP uses these, a worker two or three
_OVERFLOW = 10
# A host that is gone without a word must not hold a query for hours. The URL may say otherwise.
_PATIENCE = {
    "application_name": "offtake",
    "connect_timeout": "5",
    "keepalives_idle": "30",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
# A process that is frozen inside a transaction holds locks that others wait for. Nothing of ours pauses in one.
_IDLE_SECONDS = 60
_NEW = "offtake_new"  # a connection that nobody has used
_BEGINS = "offtake_begins"  # whether a transaction is begun; not for single statements that read
# Classes and codes that speak of the server and not of the statement: connection, transaction rolled back (deadlock,
# serialization), resources, operator intervention, system; a server that has become a read-only standby; a transaction
# that was ended for being idle.
_TROUBLE = ("08", "40", "53", "57", "58", "25006", "25P03")


class Database:
    """An engine with its transactions. Safe for threads; not for forked processes.

    Raises SettingsError for a URL that cannot be read; nothing is connected before the first transaction.
    """

    def __init__(self, url: str) -> None:
        self.url = _parsed(url)
        is_sqlite = self.url.get_backend_name() == "sqlite"
        connections = _SQLITE_CONNECTIONS if is_sqlite else _POSTGRESQL_CONNECTIONS
        self.engine = _engine(self.url, connections)
        # SQLite has one writer at a time, and lets those who wait sleep ever longer; threads had better queue up here.
        self._writers = threading.BoundedSemaphore(1 if is_sqlite else connections)
        # Point reads that never leave the process are quicker than a trip to another thread, and wait for nobody.
        self.reads_at_once = is_sqlite
        # Readers begin nothing: a statement alone sees one state, and saves the trips that begin and end a transaction.
        if is_sqlite:
            event.listen(self.engine, "connect", _tune_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            self._reader = _engine(self.url, connections)
            event.listen(self._reader, "connect", _tune_sqlite)
            self._streamer = self._reader
        else:
            event.listen(self.engine, "connect", _tune_postgresql)
            event.listen(self.engine, "checkout", _require_open)
            event.listen(self.engine, "begin", _begin_postgresql)
            self._reader = self.engine.execution_options(**{_BEGINS: False})
            self._streamer = self.engine

    def require(self) -> None:
        """Connect once. Raises Unavailable with the reason, which is for operators and never for callers of an API."""
        try:
            with self._reader.connect() as connection:
                connection.execute(text("SELECT 1"))
        except (DBAPIError, sqlite3.Error) as error:
            reason = error.orig if isinstance(error, DBAPIError) else error
            first = str(reason).strip().partition("\n")[0].removeprefix("connection failed: ")
            raise Unavailable(f"The job store cannot be reached: {first}", retry_after=_RETRY_AFTER) from error

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

    @contextmanager
    def stream(self) -> Iterator[Connection]:
        """As ``read``, for one result that is fetched bit by bit."""
        with _reachable(), self._streamer.connect() as connection:
            yield connection

    def connect_directly(self) -> psycopg.Connection:
        """A connection to PostgreSQL outside the pool, which commits each statement. Raises psycopg.Error."""
        _, options = self.engine.dialect.create_connect_args(self.url)
        return psycopg.connect(**{**_patience(self.url), **options}, autocommit=True)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()
        self._reader.dispose()


def _parsed(url: str) -> URL:
    """Never quotes the URL: a password with an unescaped ``@`` or ``:`` would show as host or port."""
    message = (
        "state_url cannot be read as postgresql://user:password@host:port/database; "
        "special characters of the password are written as %40 for @, %3A for :, %2F for /."
    )
    try:
        # The URL that every other program takes; which driver speaks to the server is our business.
        parsed = make_url(url.replace("postgresql://", "postgresql+psycopg://", 1))
    except (ArgumentError, ValueError):
        raise SettingsError(message) from None  # the cause quotes it
    if "@" in (parsed.host or ""):
        raise SettingsError(message)
    return parsed


def _engine(url: URL, connections: int) -> Engine:
    if url.get_backend_name() == "sqlite":
        return create_engine(url, pool_size=connections, max_overflow=_OVERFLOW, pool_timeout=30, hide_parameters=True)
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=_OVERFLOW,
        pool_timeout=15,
        hide_parameters=True,
        connect_args=_patience(url),
    )


def _patience(url: URL) -> dict[str, str]:
    return {name: value for name, value in _PATIENCE.items() if name not in url.query}


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path}"


@contextmanager
def _reachable() -> Iterator[None]:
    """Trouble of the database itself is Unavailable; a broken constraint stays what it is: a defect of ours."""
    try:
        yield
    except SqlTimeoutError as error:
        raise Unavailable("The job store is busy.", retry_after=_RETRY_AFTER) from error
    except DBAPIError as error:
        if not _is_trouble(error):
            raise
        raise Unavailable("The job store cannot be reached.", retry_after=_RETRY_AFTER) from error


def _is_trouble(error: DBAPIError) -> bool:
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return True
    state = error.orig.sqlstate if isinstance(error.orig, psycopg.Error) else None
    return state is not None and state.startswith(_TROUBLE)


def _tune_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_BUSY_MILLISECONDS}",  # first: the next one may have to wait for others who open the file
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _tune_postgresql(connection: Any, record: ConnectionPoolEntry) -> None:
    """What the role, the database or the URL says goes before our own patience."""
    record.info[_NEW] = True
    connection.autocommit = True  # we begin transactions ourselves
    connection.execute(
        "SELECT set_config(name, %s, false) FROM pg_settings"
        " WHERE name = 'idle_in_transaction_session_timeout' AND source = 'default'",
        [f"{_IDLE_SECONDS}s"],
    )


def _require_open(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
    """Nothing is to be read from an idle connection but the news that the server has ended it: a look at the socket,
    where asking the server costs as much as a point read. The pool then makes another."""
    if record.info.pop(_NEW, False):  # one that breaks at once is told by its first statement
        return
    look = select.poll()
    look.register(connection.fileno(), select.POLLIN)
    if look.poll(0):
        raise DisconnectionError("The server has ended the connection.")


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get(_BEGINS, True):
        connection.exec_driver_sql("BEGIN")


def _begin_sqlite(connection: Connection) -> None:
    """On the driver's connection: the engine's own way to run a statement costs as much as a whole point read."""
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - a transaction begins on a connection that is there
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        raise Unavailable("The job store is busy.", retry_after=_RETRY_AFTER) from error
