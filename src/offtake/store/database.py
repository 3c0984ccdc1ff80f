"""Connections to the state database, and its read and write transactions.

On SQLite, ``write`` begins IMMEDIATE: it takes the write lock before its first read, so no other writer can intervene
between a count and the insert that depends on it. ``read`` never waits for a writer (WAL). With ``synchronous=FULL``,
an acknowledged commit survives a power loss.

On PostgreSQL, the pool discards a connection that the server has closed when it is checked out, so a restart of the
server only affects transactions in progress. The server ends a transaction whose process is suspended, which releases
its locks.
"""

from __future__ import annotations

import os
import select
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as SqlTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from offtake.errors import SettingsError, Unavailable

_RETRY_SECONDS = 2
_BUSY = f"The job store is busy; retry after {_RETRY_SECONDS} seconds."
_UNREACHABLE = f"The job store cannot be reached; retry after {_RETRY_SECONDS} seconds."
_BUSY_MILLISECONDS = 15_000
_SQLITE_CONNECTIONS = 20
_POSTGRESQL_CONNECTIONS = 10  # a PostgreSQL server allows 100 by default; a worker uses two or three
_OVERFLOW = 10
_IDLE_READERS = 4  # open connections that wait for the next reading statement, outside the pool
# Timeouts, so that a lost host does not block a query for hours. Parameters of the URL override them.
_CONNECT_OPTIONS = {
    "application_name": "offtake",
    "connect_timeout": "5",
    "keepalives_idle": "30",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
# A process suspended inside a transaction would hold its locks; no code of ours pauses inside one.
_IDLE_IN_TRANSACTION_SECONDS = 60
_IS_NEW = "offtake_new"  # of a connection that was not used yet
_BEGIN = "offtake_begin"  # whether to begin a transaction; false for single reading statements
# SQLSTATE classes and codes of server faults, as opposed to faulty statements: connection, transaction rollback
# (deadlock, serialization), resources, operator intervention, system error, read-only standby, idle transaction ended.
_SERVER_FAULTS = ("08", "40", "53", "57", "58", "25006", "25P03")


class _Held(threading.local):
    """The number of connections that this thread has."""

    connections = 0


class Database:
    """The state database and its transactions. Thread-safe; must not be shared with forked processes.

    Raises SettingsError for an invalid URL. The first transaction connects. Only the owner of a new SQLite file can
    read it.
    """

    def __init__(self, url: str, *, password: str | None = None) -> None:
        """Use the database at ``url``; ``password``, if given, is the one of its user."""
        self.url = _parsed(url)
        if password is not None and self.url.get_backend_name() != "sqlite":
            self.url = self.url.set(password=password)
        is_sqlite = self.url.get_backend_name() == "sqlite"
        connections = _SQLITE_CONNECTIONS if is_sqlite else _POSTGRESQL_CONNECTIONS
        self.engine = _engine(self.url, connections)
        # SQLite allows one writer and lets waiting ones sleep ever longer; threads wait for this semaphore instead.
        self._writers = threading.BoundedSemaphore(1 if is_sqlite else connections)
        self._held = _Held()
        # Point reads in the process never block and take less time than a switch to another thread.
        self.reads_in_process = is_sqlite
        # Readers begin no transaction: one statement sees one state, and the round trips of BEGIN and COMMIT are saved.
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
            self._reader = self.engine.execution_options(**{_BEGIN: False})
            self._streamer = self.engine
        self._idle_readers: deque[Connection] = deque()  # of SQLite: its append and pop are thread-safe

    @property
    def file(self) -> Path | None:
        """The SQLite file; None for a PostgreSQL database."""
        return Path(self.url.database or "") if self.url.get_backend_name() == "sqlite" else None

    @property
    def plain_url(self) -> str:
        """The URL as in the setting ``state_url``, with the password."""
        return self.url.set(drivername=self.url.get_backend_name()).render_as_string(hide_password=False)

    def is_same(self, other: Database) -> bool:
        """Whether both have the same address, or are the same SQLite file under any name."""
        if self.file is None or other.file is None:
            return self.url._replace(password=None) == other.url._replace(password=None)
        with suppress(OSError):
            return self.file.samefile(other.file)
        return self.file == other.file

    def check_connection(self) -> None:
        """Connect once. Raises Unavailable with the reason, which is for operators only, not for API clients."""
        try:
            with self._reader.connect() as connection:
                connection.execute(text("SELECT 1"))
        except (DBAPIError, sqlite3.Error) as error:
            reason = error.orig if isinstance(error, DBAPIError) else error
            first_line = str(reason).strip().partition("\n")[0].removeprefix("connection failed: ")
            if self.url.get_backend_name() == "sqlite":
                first_line = f"{self.url.database}: {first_line}"
            raise Unavailable(f"The job store cannot be reached: {first_line}", retry_after=_RETRY_SECONDS) from error

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run the block in a transaction, which any exception rolls back. Raises Unavailable."""
        if not self._writers.acquire(timeout=_BUSY_MILLISECONDS / 1000):
            raise Unavailable(_BUSY, retry_after=_RETRY_SECONDS)
        try:
            with _reachable(), self.engine.begin() as connection:
                self._held.connections += 1
                try:
                    yield connection
                finally:
                    self._held.connections -= 1
        finally:
            self._writers.release()

    @property
    def is_connected(self) -> bool:
        """Whether this thread has a connection of ``write`` or ``read``: it must not wait for another one then."""
        return self._held.connections > 0

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Connect for one reading statement; use ``write`` for several statements that must see one state.

        On SQLite, connections are used again without the pool, which takes as long as the statement of a point read.
        """
        with _reachable():
            try:
                connection = self._idle_readers.pop()
            except IndexError:
                connection = self._reader.connect()
            is_reusable = False
            self._held.connections += 1
            try:
                yield connection
                is_reusable = self.reads_in_process and len(self._idle_readers) < _IDLE_READERS
            finally:
                self._held.connections -= 1
                if is_reusable:
                    self._idle_readers.append(connection)
                else:
                    connection.close()

    @contextmanager
    def stream(self) -> Iterator[Connection]:
        """Connect for one reading statement whose result is fetched in batches."""
        with _reachable(), self._streamer.connect() as connection:
            yield connection

    def connect_directly(self) -> psycopg.Connection:
        """Return an autocommit connection to PostgreSQL outside the pool. Raises psycopg.Error."""
        _, options = self.engine.dialect.create_connect_args(self.url)
        return psycopg.connect(**{**_connect_options(self.url), **options}, autocommit=True)

    def close(self) -> None:
        """Close all pooled connections."""
        while self._idle_readers:
            self._idle_readers.pop().close()
        self.engine.dispose()
        self._reader.dispose()


def _parsed(url: str) -> URL:
    """Parse the URL. The error never quotes it: with an unescaped ``@`` or ``:`` it would expose the password."""
    message = (
        "state_url must have the form postgresql://user:password@host:port/database; "
        "percent-encode special characters of the password: %40 for @, %3A for :, %2F for /."
    )
    try:
        # The setting has the usual URL; the driver is chosen here.
        parsed = make_url(url.replace("postgresql://", "postgresql+psycopg://", 1))
    except (ArgumentError, ValueError):
        raise SettingsError(message) from None  # the cause quotes the URL
    if "@" in (parsed.host or ""):
        raise SettingsError(message)
    if parsed.get_backend_name() == "sqlite":
        _check_sqlite_url(parsed)
    return parsed


def _check_sqlite_url(url: URL) -> None:
    """Refuse a URL that names another file than its author expects."""
    if url.query:
        raise SettingsError("state_url of a SQLite file has no parameters; write %3F for a question mark in its path.")
    if not Path(url.database or "").is_absolute():
        raise SettingsError(
            "state_url of a SQLite file must have an absolute path, as in sqlite:////srv/offtake/state.db (four "
            "slashes); a relative one would depend on the folder in which a command is started."
        )


def _engine(url: URL, connections: int) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url, pool_size=connections, max_overflow=_OVERFLOW, pool_timeout=30, hide_parameters=True
        )
        event.listen(engine, "do_connect", _create_privately)
        return engine
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=_OVERFLOW,
        pool_timeout=15,
        hide_parameters=True,
        connect_args=_connect_options(url),
    )


def _connect_options(url: URL) -> dict[str, str]:
    return {name: value for name, value in _CONNECT_OPTIONS.items() if name not in url.query}


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite file, with the special characters of its path encoded."""
    return URL.create("sqlite", database=str(path.absolute())).render_as_string(hide_password=False)


def sqlite_files(url: str) -> list[Path]:
    """Return the SQLite file at a URL and its journals; none for a PostgreSQL database. Raises SettingsError."""
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite":
        return []
    file = Path(parsed.database or "")
    return [file, *(file.with_name(f"{file.name}-{end}") for end in ("wal", "shm"))]


@contextmanager
def _reachable() -> Iterator[None]:
    """Convert server faults to Unavailable. Other errors, such as violated constraints, are defects and propagate."""
    try:
        yield
    except SqlTimeoutError as error:
        raise Unavailable(_BUSY, retry_after=_RETRY_SECONDS) from error
    except DBAPIError as error:
        if not _is_server_fault(error):
            raise
        raise Unavailable(_UNREACHABLE, retry_after=_RETRY_SECONDS) from error


def _is_server_fault(error: DBAPIError) -> bool:
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return True
    state = error.orig.sqlstate if isinstance(error.orig, psycopg.Error) else None
    return state is not None and state.startswith(_SERVER_FAULTS)


def _create_privately(_: Any, __: Any, arguments: list[Any], ___: Any) -> None:
    """Create a missing file with mode 0600; SQLite gives its journals the same mode. It reports faults itself."""
    with suppress(OSError):
        os.close(os.open(arguments[0], os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _tune_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the ``begin`` listener begins transactions
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_BUSY_MILLISECONDS}",  # first, because the next pragma may wait for other processes
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _tune_postgresql(connection: Any, record: ConnectionPoolEntry) -> None:
    """Set the idle timeout of transactions, unless the role, the database or the URL sets one."""
    record.info[_IS_NEW] = True
    connection.autocommit = True  # the ``begin`` listener begins transactions
    connection.execute(
        "SELECT set_config(name, %s, false) FROM pg_settings"
        " WHERE name = 'idle_in_transaction_session_timeout' AND source = 'default'",
        [f"{_IDLE_IN_TRANSACTION_SECONDS}s"],
    )


def _require_open(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
    """Raise DisconnectionError if the server has closed an idle connection; the pool then opens another.

    An idle connection has readable data only after the server has closed it. Polling its socket avoids a round trip,
    which would cost as much as a point read.
    """
    if record.info.pop(_IS_NEW, False):  # the first statement detects a fault of a new connection
        return
    socket = select.poll()
    socket.register(connection.fileno(), select.POLLIN)
    if socket.poll(0):
        raise DisconnectionError("The server has ended the connection.")


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get(_BEGIN, True):
        connection.exec_driver_sql("BEGIN")


def _begin_sqlite(connection: Connection) -> None:
    """Begin on the driver's connection: the engine's overhead for a statement is as large as a whole point read."""
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - a transaction begins on an open connection
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        raise Unavailable(_BUSY, retry_after=_RETRY_SECONDS) from error
