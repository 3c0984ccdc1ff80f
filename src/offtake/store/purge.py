"""Removal of the records of jobs that ended long ago and have no file, with their idempotency keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import cast

from sqlalchemy import ColumnElement, Connection, and_, delete, literal_column, select

from offtake.model.job import ENDED, Status
from offtake.store import usage
from offtake.store.schema import idempotency, job

_PURGED_STATUSES = sorted(ENDED - {Status.SUCCEEDED})


def purge(
    connection: Connection,
    *,
    before: datetime,
    tenant: str | None = None,
    other_than: Collection[str] = (),
    limit: int,
) -> int:
    """Remove at most ``limit`` jobs that ended before that instant, longest ended first. Return their number.

    Only jobs of ``tenant``, or of all tenants ``other_than`` some. A held job stays.
    """
    conditions = [_has_no_file(), job.c.finished_at < before, job.c.held_at.is_(None)]
    if tenant is not None:
        conditions.append(job.c.tenant == tenant)
    if other_than:
        conditions.append(job.c.tenant.not_in(sorted(other_than)))
    statement = select(job.c.id, job.c.tenant).where(*conditions).order_by(job.c.finished_at, job.c.id).limit(limit)
    ids = [row.id for row in connection.execute(statement.with_for_update(skip_locked=True))]
    if not ids:
        return 0
    connection.execute(delete(idempotency).where(idempotency.c.job.in_(ids)))
    removed = connection.execute(delete(job).where(job.c.id.in_(ids)).returning(job.c.tenant, job.c.request_bytes))
    freed: Counter[str] = Counter()
    for row in removed:
        freed[row.tenant] += row.request_bytes
    for name, size in sorted(freed.items()):
        usage.add_requests(connection, name, -size)
    return len(ids)


def end_that_frees(connection: Connection, tenant: str, size: int) -> datetime | None:
    """Return when the job ended whose purge, after those that ended before it, frees ``size`` bytes of requests.

    None if the tenant's ended jobs without a file are too few. If more than ``usage.MAX_FREEING`` have to be purged, it
    is the end of the last one of so many.
    """
    conditions = (job.c.tenant == tenant, _has_no_file(), job.c.held_at.is_(None))
    statement = select(job.c.finished_at, job.c.request_bytes).where(*conditions)
    ends = connection.execute(statement.order_by(job.c.finished_at, job.c.id).limit(usage.MAX_FREEING)).all()
    for end in ends:
        size -= end.request_bytes
        if size <= 0:
            return cast(datetime, end.finished_at)
    return cast(datetime, ends[-1].finished_at) if len(ends) == usage.MAX_FREEING else None


def _has_no_file() -> ColumnElement[bool]:
    """Literals, so that SQLite uses the partial index."""
    statuses: list[ColumnElement[str]] = [literal_column(f"'{status}'") for status in _PURGED_STATUSES]
    return and_(job.c.status.in_(statuses), job.c.finished_at.is_not(None))
