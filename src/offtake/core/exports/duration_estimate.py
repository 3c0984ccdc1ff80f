"""Estimate of an export's duration and rows from earlier exports of the same kind.

The duration affects the sequence of the queue; both are shown to clients as progress.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from offtake.core.services import Services
from offtake.model.job import Job, JobFilter, Status
from offtake.model.request import ExportRequest
from offtake.store import job_queries

_SAMPLE_SIZE = 10  # newest jobs of the tenant and report
_FINISHED = frozenset({Status.SUCCEEDED, Status.EXPIRED})
_OVERHEAD = timedelta(seconds=1)  # of every export, whatever its timespan
_MAX_ESTIMATE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationEstimate:
    """What is expected of an export."""

    duration: timedelta  # zero: there is no earlier export of the kind
    rows: int | None  # None: there is no earlier export with the same filters


def estimate_duration(request: ExportRequest, tenant: str, on: Services) -> DurationEstimate:
    """Return the averages per day of timespan of the tenant's newest finished exports, times the days of the request.

    The duration is that of exports of the same report and format, the rows are those of the same report and filters.
    """
    condition = JobFilter(tenant=tenant, dialect=request.dialect, report=request.report)
    with on.database.read() as connection:
        newest = job_queries.newest(connection, condition, limit=_SAMPLE_SIZE)
    finished = [job for job in newest if job.status in _FINISHED]
    similar = [job for job in finished if job.request.format == request.format]
    alike = [job for job in finished if job.artifact and _selection(job.request) == _selection(request)]
    rows = sum(job.artifact.rows for job in alike if job.artifact)
    return DurationEstimate(
        duration=min(sum(map(_duration, similar), timedelta(0)) * _share(request, similar), _MAX_ESTIMATE),
        rows=round(rows * _share(request, alike)) if alike else None,
    )


def _share(request: ExportRequest, jobs_: Sequence[Job]) -> float:
    """Return the length of the request's timespan as a share of those of the jobs together; 0 without jobs."""
    days = sum((job.request.timespan.length() for job in jobs_), timedelta(0))
    return request.timespan.length() / days if days else 0.0


def _selection(request: ExportRequest) -> tuple[object, ...]:
    """Return what selects rows besides the timespan."""
    return frozenset(request.filters), request.parameters


def _duration(job: Job) -> timedelta:
    if job.started_at is None or job.finished_at is None:
        return timedelta(0)
    return max(job.finished_at - job.started_at - _OVERHEAD, timedelta(0))
