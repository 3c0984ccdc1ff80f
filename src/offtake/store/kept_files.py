"""What a part of a tenant's jobs uses, and which exports keep the most: for callers that may not see all jobs.

``store/usage.py`` has the sums over all jobs of a tenant, which every creation reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, case, func, select

from offtake.model.job import OPEN, Job, JobFilter, Status
from offtake.store.job_conditions import matches
from offtake.store.records import job_from_row
from offtake.store.schema import job
from offtake.store.usage import Usage, start_of_day

_IS_KEPT = job.c.status == Status.SUCCEEDED
_FILES = func.coalesce(job.c.files, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialUsage:
    """What some jobs use."""

    usage: Usage
    open: int
    next_expiry: datetime | None  # of a file that is not held


def read(connection: Connection, condition: JobFilter, *, dialect: str, now: datetime) -> PartialUsage:
    """Return what the jobs that match use; the open ones are those of the dialect."""
    day = start_of_day(now)
    is_of_day = and_(job.c.finished_at >= day, job.c.bytes.is_not(None))
    is_open = and_(job.c.status.in_(sorted(OPEN)), job.c.dialect == dialect)
    row = connection.execute(
        select(
            func.coalesce(func.sum(case((_IS_KEPT, _FILES), else_=0)), 0).label("files"),
            func.coalesce(func.sum(case((_IS_KEPT, job.c.bytes), else_=0)), 0).label("bytes"),
            func.coalesce(func.sum(case((_IS_KEPT, job.c.rows), else_=0)), 0).label("rows"),
            func.coalesce(func.sum(case((is_of_day, job.c.bytes), else_=0)), 0).label("day_bytes"),
            func.coalesce(func.sum(case((is_open, 1), else_=0)), 0).label("open"),
            func.min(case((and_(_IS_KEPT, job.c.held_at.is_(None)), job.c.expires_at))).label("next_expiry"),
        ).where(matches(condition))
    ).one()
    used = Usage(files=int(row.files), bytes=int(row.bytes), rows=int(row.rows), day=day, day_bytes=int(row.day_bytes))
    return PartialUsage(usage=used, open=int(row.open), next_expiry=row.next_expiry)


def largest(connection: Connection, condition: JobFilter, *, by: str, limit: int) -> Sequence[Job]:
    """Return the jobs that match, are not held and keep the most ``files``, ``bytes`` or ``rows``."""
    size = _FILES if by == "files" else job.c[by]
    statement = select(job).where(matches(condition), _IS_KEPT, job.c.held_at.is_(None))
    return [job_from_row(row) for row in connection.execute(statement.order_by(size.desc(), job.c.id).limit(limit))]
