"""The versions of shared tables: which exports become one, and how long their files are kept."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from offtake.model.job import SHARED_TABLE
from offtake.store import jobs, shared_tables

_KEPT = timedelta(days=36_500)  # of the newest version: until the table has a newer one or is removed


def add_version(connection: Connection, job_id: str, *, now: datetime, retention: timedelta) -> None:
    """Make an export that this transaction publishes the newest version of the shared table it was created for, if any.

    The table holds its newest version, whose retention does not end. The versions before it end their retention now:
    their files are kept for ``retention`` more.
    """
    table = shared_tables.number_version(connection, job_id, now=now)
    if table is None:
        return
    jobs.hold(connection, job_id, now=now, by=SHARED_TABLE)
    jobs.extend_retention(connection, job_id, now=now, expires_at=now + _KEPT)
    shared_tables.retire(connection, table, until=now + retention, but=job_id)
