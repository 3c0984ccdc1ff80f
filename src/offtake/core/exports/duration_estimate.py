"""Duration estimate of an export from earlier exports of the same kind; it only affects the sequence of the queue."""

from __future__ import annotations

from datetime import timedelta

from offtake.core.services import Services
from offtake.model.job import Job, JobFilter, Status
from offtake.model.request import ExportRequest
from offtake.store import jobs

_SAMPLE_SIZE = 10  # newest jobs of the tenant and report
_FINISHED = frozenset({Status.SUCCEEDED, Status.EXPIRED})
_OVERHEAD = timedelta(seconds=1)  # of every export, whatever its timespan
_MAX_ESTIMATE = timedelta(days=1)


def estimate_duration(request: ExportRequest, tenant: str, on: Services) -> timedelta:
    """Return the average duration per day of timespan of the tenant's newest finished exports with the same report and
    format, times the days of this request's timespan. Zero if there are none."""
    condition = JobFilter(tenant=tenant, dialect=request.dialect, report=request.report)
    with on.database.read() as connection:
        newest = jobs.newest(connection, condition, limit=_SAMPLE_SIZE)
    similar = [job for job in newest if job.status in _FINISHED and job.request.format == request.format]
    days = sum((job.request.timespan.length() for job in similar), timedelta(0))
    if not days:
        return timedelta(0)
    share = request.timespan.length() / days
    return min(sum(map(_duration, similar), timedelta(0)) * share, _MAX_ESTIMATE)


def _duration(job: Job) -> timedelta:
    if job.started_at is None or job.finished_at is None:
        return timedelta(0)
    return max(job.finished_at - job.started_at - _OVERHEAD, timedelta(0))
