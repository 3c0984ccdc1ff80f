"""The clock that leases, due times and retention are compared with.

Hosts that share a PostgreSQL never agree on the time to the second, so there it is the database's own clock, read on
the connection that uses it. A SQLite file has one host. A reading that grows old while its process hangs does no harm:
it makes a lease shorter and finds fewer of them ended.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection, text

_CLOCK = text("SELECT clock_timestamp()")  # now() would stand still from the beginning of the transaction


def present(connection: Connection, host: Callable[[], datetime]) -> datetime:
    """What time it is, by the database's clock where several hosts may share it, else by the host's."""
    if connection.dialect.name != "postgresql":
        return host()
    read: datetime = connection.execute(_CLOCK).scalar_one()
    return read.astimezone(UTC)
