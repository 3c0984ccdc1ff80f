"""The clock of leases, due times and retention.

On PostgreSQL it is the database's clock, because the clocks of several hosts differ. A SQLite file is used by one host,
so there it is the host's clock. If a process is suspended after it has read the time, the old value is safe: its lease
is shorter, and it finds fewer expired leases.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from offtake.store.schema import Instant

_CLOCK = text("SELECT clock_timestamp()")  # now() is the start of the transaction


def current_time(connection: Connection, host: Callable[[], datetime]) -> datetime:
    """Return the UTC time by the database's clock on PostgreSQL, else by ``host``."""
    if connection.dialect.name != "postgresql":
        return host()
    time: datetime = connection.execute(_CLOCK).scalar_one()
    return time.astimezone(UTC)


class _DatabaseTime(FunctionElement[datetime]):
    type = Instant()
    name = "database_time"
    inherit_cache = True


@compiles(_DatabaseTime)
def _no_time(element: _DatabaseTime, compiler: SQLCompiler, **options: Any) -> str:
    return "NULL"


@compiles(_DatabaseTime, "postgresql")
def _time_on_postgresql(element: _DatabaseTime, compiler: SQLCompiler, **options: Any) -> str:
    return "clock_timestamp()"


database_time = _DatabaseTime()  # in a statement: the time by the database's clock on PostgreSQL, else NULL
