"""How long an export will run, as far as earlier ones of the same kind tell: a guess that only orders the queue."""

from __future__ import annotations

from datetime import timedelta

from offtake.core.services import Services
from offtake.model.job import Job, JobFilter, Status
from offtake.model.request import ExportRequest
from offtake.store import jobs

_LOOKED_AT = 10  # newest jobs of the tenant and report
_DONE = frozenset({Status.SUCCEEDED, Status.EXPIRED})
_START = timedelta(seconds=1)  # that every export takes, whatever its timespan
_LONGEST = timedelta(days=1)


def estimate_duration(request: ExportRequest, tenant: str, on: Services) -> timedelta:
    """What the tenant's newest finished exports of the report in the format took per day of their timespans, for the
    days of this one. Nothing is expected of the first."""
    wanted = JobFilter(tenant=tenant, dialect=request.dialect, report=request.report)
    with on.database.read() as connection:
        newest = jobs.newest(connection, wanted, limit=_LOOKED_AT)
    like = [job for job in newest if job.status in _DONE and job.request.format == request.format]
    days = sum((job.request.timespan.length() for job in like), timedelta(0))
    if not days:
        return timedelta(0)
    share = request.timespan.length() / days
    return min(sum(map(_run, like), timedelta(0)) * share, _LONGEST)


def _run(job: Job) -> timedelta:
    if job.started_at is None or job.finished_at is None:
        return timedelta(0)
    return max(job.finished_at - job.started_at - _START, timedelta(0))
