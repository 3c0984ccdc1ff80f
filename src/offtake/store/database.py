"""Opening the database, and the two kinds of transaction.

``write`` on SQLite begins IMMEDIATE: the writer's lock is taken before the first read, so a count and the insert that
depends on it cannot be overtaken. ``read`` begins plainly and never waits for a writer (WAL). ``synchronous=FULL``:
an acknowledged commit survives a loss of power.
"""

from __future__ import annotations

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
        self.engine: Engine = create_engine(url, pool_size=connections, max_overflow=10, pool_timeout=30)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _tune_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed at the end of the block, and undone by any exception."""
        with (
            _reachable(),
            self.engine.connect().execution_options(offtake_write=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction over one consistent state that writes nothing."""
        with _reachable(), self.engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


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
    write = connection.get_execution_options().get("offtake_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
