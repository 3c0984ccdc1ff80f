"""What each tenant uses of its budget, kept up to date by the statements that change it.

The row changes in the transaction that adds, publishes, expires, deletes or purges a job, so it always equals the sums
over the job table, and a check reads one row however many jobs there are. Change it after the job's row, so that all
transactions lock in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Executable, bindparam, case, select

from offtake.model.artifact import Artifact
from offtake.model.job import Status
from offtake.store.inserts import insert_of
from offtake.store.schema import job, tenant_usage

MAX_FREEING = 1000  # files or records that are read to find out when there is room again
_AMOUNTS = ("files", "bytes", "rows", "request_bytes", "day_bytes")
_READ = select(tenant_usage).where(tenant_usage.c.tenant == bindparam("name"))
_LOCK = _READ.with_for_update()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Use by one tenant, over all dialects."""

    files: int = 0  # published files that are kept
    bytes: int = 0  # of those files
    rows: int = 0  # of those files
    request_bytes: int = 0  # of the stored requests of all jobs
    day: datetime | None = None  # start of the day (UTC) of the latest publication
    day_bytes: int = 0  # published on that day, whether or not the files are kept

    def published_on(self, now: datetime) -> int:
        """Return the bytes published on the day of ``now``."""
        return self.day_bytes if self.day == start_of_day(now) else 0


def start_of_day(now: datetime) -> datetime:
    """Return the start of the day in UTC."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def read(connection: Connection, tenant: str, *, lock: bool = False) -> Usage:
    """Return a tenant's usage; with ``lock``, no other transaction changes it until this one ends."""
    row = connection.execute(_LOCK if lock else _READ, {"name": tenant}).one_or_none()
    if row is None:
        return Usage()
    return Usage(
        files=row.files,
        bytes=row.bytes,
        rows=row.rows,
        request_bytes=row.request_bytes,
        day=row.day,
        day_bytes=row.day_bytes,
    )


def add_requests(connection: Connection, tenant: str, request_bytes: int) -> None:
    """Add the size of a stored request, or subtract that of purged ones."""
    _change(connection, tenant, request_bytes=request_bytes)


def add_files(connection: Connection, tenant: str, artifact: Artifact, *, now: datetime) -> None:
    """Add the files of a published artifact."""
    kept = {"files": artifact.files, "bytes": artifact.bytes, "rows": artifact.rows}
    _change(connection, tenant, day=start_of_day(now), day_bytes=artifact.bytes, **kept)


def remove_files(connection: Connection, tenant: str, *, files: int, size: int, rows: int) -> None:
    """Subtract files that are no longer kept. They still count for the day on which they were published."""
    _change(connection, tenant, files=-files, bytes=-size, rows=-rows)


def when_freed(connection: Connection, tenant: str, *, files: int, size: int, rows: int) -> datetime | None:
    """Return when so many files, bytes and rows of the tenant will have expired.

    None if those that are not held are too few. If more than ``MAX_FREEING`` files have to expire, it is the expiry of
    the last one of so many.
    """
    kept = (job.c.tenant == tenant, job.c.status == Status.SUCCEEDED.value, job.c.held_at.is_(None))
    statement = (
        select(job.c.expires_at, job.c.files, job.c.bytes, job.c.rows).where(*kept).order_by(job.c.expires_at, job.c.id)
    )
    ends = connection.execute(statement.limit(MAX_FREEING)).all()
    for end in ends:
        files, size, rows = files - (end.files or 1), size - end.bytes, rows - end.rows
        if files <= 0 and size <= 0 and rows <= 0:
            return cast(datetime, end.expires_at)
    return cast(datetime, ends[-1].expires_at) if len(ends) == MAX_FREEING else None


def _change(connection: Connection, tenant: str, *, day: datetime | None = None, **amounts: int) -> None:
    statement = _upsert(connection.dialect.name, publishes=day is not None)
    connection.execute(statement, {"tenant": tenant, "day": day, **dict.fromkeys(_AMOUNTS, 0), **amounts})


@cache
def _upsert(database: str, *, publishes: bool) -> Executable:
    """Return the statement that adds amounts to a row. Built once, because every create request executes it."""
    statement = insert_of(database, tenant_usage).values(
        {name: bindparam(name) for name in ("tenant", "day", *_AMOUNTS)}
    )
    totals: dict[str, ColumnElement[Any]] = {name: tenant_usage.c[name] + statement.excluded[name] for name in _AMOUNTS}
    if publishes:
        is_same_day = tenant_usage.c.day == statement.excluded.day
        totals["day_bytes"] = case((is_same_day, totals["day_bytes"]), else_=statement.excluded.day_bytes)
        totals["day"] = statement.excluded.day
    return statement.on_conflict_do_update(index_elements=[tenant_usage.c.tenant], set_=totals)
