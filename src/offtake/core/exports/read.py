"""Read one export or list them, as far as the caller may see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from offtake.core.auth.authorization import jobs_of, may_see, require
from offtake.core.auth.caller import Caller, audit_entry
from offtake.core.services import Services
from offtake.errors import JobNotFound
from offtake.model.job import Job, JobFilter, seen_at
from offtake.model.tenant import Scope
from offtake.store import audit, jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRef:
    """Which job is meant: an id as it came from the caller, the dialect, and the report where the path names one."""

    id: str
    dialect: str
    report: str | None = None
    is_reference: bool = False  # the id is the dialect's own (``Job.reference``)


def get_export(ref: JobRef, by: Caller, on: Services) -> Job:
    """The caller's own job; any other id, a foreign one included, is JobNotFound. Recorded where reads are, and always
    when it is on behalf of somebody else."""
    job = find_export(ref, by, on)
    _record_read("job.read", ref.dialect, by, on, job_id=job.id)
    return job


def find_export(ref: JobRef, by: Caller, on: Services) -> Job:
    """As ``get_export``, for those who record more than a look."""
    require(by.principal, Scope.READ)
    with on.database.read() as connection:
        return current_view(connection, own_job(connection, ref, by), on)


def current_view(connection: Connection, job: Job, on: Services) -> Job:
    """The job as it is to be seen now. Only of one that has a file is the store's clock asked."""
    return job if job.expires_at is None else seen_at(job, on.now(connection))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which of the caller's jobs to list. Pages count from 1; a page beyond the last is empty."""

    dialect: str
    per_page: int
    page: int = 1
    report: str | None = None
    since: datetime | None = None  # made then or later


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """A page of jobs, newest first, and how many there are on all pages."""

    jobs: Sequence[Job]
    total: int


def list_exports(listing: Listing, by: Caller, on: Services) -> JobPage:
    """The jobs that the caller may see (``grants.may_see``), whatever their state. A job made while one pages moves the
    others on by one place."""
    require(by.principal, Scope.READ)
    _record_read("job.list", listing.dialect, by, on)
    wanted = JobFilter(
        tenant=by.principal.tenant,
        dialect=listing.dialect,
        report=listing.report,
        since=listing.since,
        person=jobs_of(by.principal),
    )
    offset = (listing.page - 1) * listing.per_page
    with on.database.read() as connection:
        total = jobs.count(connection, wanted)
    if offset >= total:  # also keeps numbers from the database that it has no room for
        return JobPage(jobs=(), total=total)
    with on.database.read() as connection:
        found = jobs.newest(connection, wanted, limit=listing.per_page, offset=offset)
        now = on.now(connection)
    return JobPage(jobs=[seen_at(job, now) for job in found], total=total)


def own_job(connection: Connection, ref: JobRef, by: Caller) -> Job:
    find = jobs.get_by_reference if ref.is_reference else jobs.get
    job = find(connection, ref.id, tenant=by.principal.tenant)
    fits = job is not None and job.request.dialect == ref.dialect and ref.report in (None, job.request.report)
    if job is None or not fits or not may_see(by.principal, job):
        raise JobNotFound("There is no such job.")
    return job


def _record_read(operation: str, dialect: str, by: Caller, on: Services, *, job_id: str | None = None) -> None:
    """Looking has no effect and must stay cheap: it is recorded where the operator wants that, or the look is one with
    another person's eyes."""
    if by.principal.effective is not None or on.limits[dialect].of(by.principal.tenant).audit_reads:
        with on.database.write() as connection:
            audit.record(connection, audit_entry(operation, by, dialect=dialect, job=job_id), now=on.clock())
