"""Read one export or list the exports that the caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from offtake.core.auth.authorization import may_order, may_see, person_filter, require
from offtake.core.auth.caller import Caller, audit_entry
from offtake.core.services import Services
from offtake.errors import JobNotFound
from offtake.model.job import Job, JobFilter, PolledJob, Status, apply_retention
from offtake.model.tenant import Scope
from offtake.store import audit, job_queries, job_states


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRef:
    """Reference to a job: the id as the caller sent it, the dialect, and the report if the path names one."""

    id: str
    dialect: str
    report: str | None = None
    is_reference: bool = False  # whether ``id`` is the dialect's own (``Job.reference``)


def get_export(ref: JobRef, by: Caller, on: Services, polled: PolledJob | None = None) -> Job:
    """Return a job that the caller may see. Raises NotPermitted, JobNotFound for any other id.

    ``polled`` is the job of this reference if it was read with the caller's credentials. The audit log records the read
    if the operator has enabled that, and always if the caller impersonates a person.
    """
    job = find_export(ref, by, on) if polled is None else _polled_export(ref, by, on, polled)
    _record_read("job.read", ref.dialect, by, on, job_id=job.id)
    return job


def find_export(ref: JobRef, by: Caller, on: Services) -> Job:
    """Return the job as ``get_export`` does, without an audit entry: the caller writes its own."""
    require(by.principal, Scope.READ)
    with on.database.read() as connection:
        return current_view(connection, own_job(connection, ref, by), on)


def _polled_export(ref: JobRef, by: Caller, on: Services, polled: PolledJob) -> Job:
    require(by.principal, Scope.READ)
    read = polled.job
    is_own = read is not None and ref.id == read.id and read.tenant == by.principal.tenant
    job = _visible(read if is_own else None, ref, by)
    return apply_retention(job, polled.database_time or on.clock())


def current_view(connection: Connection, job: Job, on: Services) -> Job:
    """Return the job with its retention applied. The store's clock is read only for a job that has a file."""
    return job if job.expires_at is None else apply_retention(job, on.now(connection))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Conditions and page of a list of jobs. Pages are numbered from 1; a page beyond the last is empty."""

    dialect: str
    per_page: int
    page: int = 1
    report: str | None = None
    since: datetime | None = None  # created at this instant or later


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """One page of jobs, newest first, and the number of jobs on all pages."""

    jobs: Sequence[Job]
    total: int


def list_exports(listing: Listing, by: Caller, on: Services) -> JobPage:
    """Return a page of the jobs that the caller may see, in any state. Raises NotPermitted.

    A job that is created between two requests moves the older ones back by one position.
    """
    require(by.principal, Scope.READ)
    _record_read("job.list", listing.dialect, by, on)
    condition = replace(visible_jobs(by, on), dialect=listing.dialect, report=listing.report, since=listing.since)
    offset = (listing.page - 1) * listing.per_page
    with on.database.read() as connection:
        total = job_queries.count(connection, condition)
    if offset >= total:  # also keeps offsets from the database that exceed its integers
        return JobPage(jobs=(), total=total)
    with on.database.read() as connection:
        rows = job_queries.newest(connection, condition, limit=listing.per_page, offset=offset)
        now = on.now(connection)
    return JobPage(jobs=[apply_retention(job, now) for job in rows], total=total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Conditions of a list of jobs that continues behind a job."""

    dialect: str
    limit: int
    report: str | None = None
    status: Status | None = None
    since: datetime | None = None  # created at this instant or later
    before: tuple[datetime, str] | None = None  # creation and id of the job behind which the list continues


def list_slice(wanted: Slice, by: Caller, on: Services) -> Sequence[Job]:
    """Return the newest jobs that the caller may see, behind ``before``. Raises NotPermitted.

    New jobs do not move the others, so slices neither repeat nor skip a job.
    """
    require(by.principal, Scope.READ)
    _record_read("job.list", wanted.dialect, by, on)
    condition = replace(
        visible_jobs(by, on),
        dialect=wanted.dialect,
        report=wanted.report,
        status=wanted.status,
        since=wanted.since,
    )
    with on.database.read() as connection:
        rows = job_queries.newest(connection, condition, limit=wanted.limit, before=wanted.before)
        now = on.now(connection)
    return [apply_retention(job, now) for job in rows]


def visible_jobs(by: Caller, on: Services) -> JobFilter:
    """Return the condition on the jobs that the caller may see."""
    tenant, person = by.principal.tenant, person_filter(by.principal)
    return JobFilter(tenant=tenant, person=person, reports=_permitted_reports(by, on))


def _permitted_reports(by: Caller, on: Services) -> tuple[str, ...] | None:
    """Return the reports to which the caller is restricted; None: it may export all."""
    if by.principal.access.reports is None:
        return None
    return tuple(name for name, report in on.catalogue.reports.items() if may_order(by.principal, report))


def queue_position(job: Job, on: Services) -> int | None:
    """Return the place of a queued job among those of its tenant, from 1; None if it is not queued."""
    if job.status is not Status.QUEUED:
        return None
    with on.database.read() as connection:
        return job_states.count_before(connection, job) + 1


def own_job(connection: Connection, ref: JobRef, by: Caller) -> Job:
    """Return the job as stored. Raises JobNotFound unless the caller may see it under this reference."""
    find = job_queries.get_by_reference if ref.is_reference else job_queries.get
    return _visible(find(connection, ref.id, tenant=by.principal.tenant), ref, by)


def _visible(job: Job | None, ref: JobRef, by: Caller) -> Job:
    """Return a job of the caller's tenant. Raises JobNotFound unless the caller may see it under this reference."""
    matches = job is not None and job.request.dialect == ref.dialect and ref.report in (None, job.request.report)
    if job is None or not matches or not may_see(by.principal, job):
        raise JobNotFound("There is no such {noun}.")
    return job


def _record_read(operation: str, dialect: str, by: Caller, on: Services, *, job_id: str | None = None) -> None:
    """Record a read, if the operator has enabled that or the caller impersonates a person; other reads stay cheap."""
    if by.principal.effective is not None or on.limits[dialect].of(by.principal.tenant).audit_reads:
        with on.database.write() as connection:
            audit.record(connection, audit_entry(operation, by, dialect=dialect, job=job_id), now=on.clock())
