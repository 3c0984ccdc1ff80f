"""Statements that read the job table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, bindparam, func, literal_column, or_, select

from offtake.model.job import LEASED, OPEN, Job, JobFilter, Lease, Status
from offtake.store import manifests
from offtake.store.job_conditions import has_lease, has_status, matches, may_start
from offtake.store.records import job_from_row
from offtake.store.schema import NUL, job

# Built once: polls read jobs thousands of times per second, and building a statement costs more than executing it.
_GET = select(job).where(job.c.id == bindparam("job"))
_GET_OF_TENANT = _GET.where(job.c.tenant == bindparam("tenant_name"))
_GET_BY_REFERENCE = select(job).where(
    job.c.reference == bindparam("reference"), job.c.tenant == bindparam("tenant_name")
)
# The states are literals, so that SQLite uses the partial index.
_COUNT_OPEN = (
    select(func.count())
    .select_from(job)
    .where(job.c.tenant == bindparam("tenant_name"))
    .where(job.c.status.in_([literal_column(f"'{status}'") for status in sorted(OPEN)]))
)
_COUNT_OPEN_OF = _COUNT_OPEN.where(job.c.dialect == bindparam("dialect_name"))


def count_open(connection: Connection, *, tenant: str, dialect: str | None = None) -> int:
    """Return the number of the tenant's open jobs, in the dialect if one is given."""
    if dialect is None:
        return int(connection.execute(_COUNT_OPEN, {"tenant_name": tenant}).scalar_one())
    return int(connection.execute(_COUNT_OPEN_OF, {"tenant_name": tenant, "dialect_name": dialect}).scalar_one())


def get(connection: Connection, job_id: str, *, tenant: str | None = None) -> Job | None:
    """Return the job with that id, of that tenant if one is given."""
    if NUL in job_id:
        return None
    if tenant is None:
        row = connection.execute(_GET, {"job": job_id}).one_or_none()
    else:
        row = connection.execute(_GET_OF_TENANT, {"job": job_id, "tenant_name": tenant}).one_or_none()
    return None if row is None else job_from_row(row)


def open_jobs(connection: Connection, name: str) -> Sequence[Job]:
    """Return the tenant's open jobs."""
    statement = select(job).where(job.c.tenant == name, has_status(OPEN)).order_by(job.c.created_at, job.c.id)
    return [job_from_row(row) for row in connection.execute(statement)]


def get_by_reference(connection: Connection, reference: str, *, tenant: str) -> Job | None:
    """Return the tenant's job with the dialect's reference."""
    if NUL in reference:
        return None
    row = connection.execute(_GET_BY_REFERENCE, {"reference": reference, "tenant_name": tenant}).one_or_none()
    return None if row is None else job_from_row(row)


def count(connection: Connection, condition: JobFilter) -> int:
    """Return the number of jobs that match."""
    return int(connection.execute(select(func.count()).select_from(job).where(matches(condition))).scalar_one())


def newest(
    connection: Connection,
    condition: JobFilter,
    *,
    limit: int,
    offset: int = 0,
    before: tuple[datetime, str] | None = None,
) -> Sequence[Job]:
    """Return jobs that match, newest first. The order is total, so pages neither repeat nor skip a remaining job.

    With ``before``, the creation and the id of a job, return those that come after it in this order.
    """
    statement = select(job).where(matches(condition)).order_by(job.c.created_at.desc(), job.c.id.desc())
    if before is not None:
        created_at, job_id = before
        smaller_id = and_(job.c.created_at == created_at, job.c.id < job_id)
        statement = statement.where(or_(job.c.created_at < created_at, smaller_id))
    return [job_from_row(row) for row in connection.execute(statement.limit(limit).offset(offset))]


def is_due(connection: Connection, *, now: datetime, longest: timedelta | None = None) -> bool:
    """Whether a job can be claimed, with an estimated duration of at most ``longest`` if that is given."""
    statement = select(job.c.id).where(may_start(job, now, longest)).limit(1)
    return connection.execute(statement).first() is not None


def holds(connection: Connection, lease: Lease) -> bool:
    """Whether the lease is still valid: the job was neither cancelled nor leased again."""
    return connection.execute(select(job.c.id).where(has_lease(lease))).one_or_none() is not None


def expired_leases(
    connection: Connection, *, now: datetime, horizon: timedelta, worker: str | None = None
) -> Sequence[Lease]:
    """Return expired leases (the worker died, hangs or cannot reach the store), or all leases of a dead worker.

    A lease that ends more than ``horizon`` from now counts as expired: the clock was set back after it was granted.
    """
    expired = or_(job.c.lease_until < now, job.c.lease_until > now + horizon)
    is_lost = expired if worker is None else job.c.lease_worker == worker
    rows = connection.execute(select(job).where(has_status(LEASED), is_lost)).all()
    return [
        Lease(job=job_from_row(row), fence=row.fence, worker=row.lease_worker, until=row.lease_until) for row in rows
    ]


def expired(connection: Connection, *, now: datetime, limit: int = 100, after: Job | None = None) -> Sequence[Job]:
    """Return published jobs whose retention is over and that are not held, longest expired first.

    With ``after``, return those that come after that job.
    """
    is_over = and_(has_status({Status.SUCCEEDED}), job.c.expires_at <= now, job.c.held_at.is_(None))
    if after is not None:
        later_id = and_(job.c.expires_at == after.expires_at, job.c.id > after.id)
        is_over = and_(is_over, or_(job.c.expires_at > after.expires_at, later_id))
    statement = select(job).where(is_over).order_by(job.c.expires_at, job.c.id).limit(limit)
    return [job_from_row(row) for row in connection.execute(statement)]


def referenced_keys(connection: Connection, files: Collection[tuple[str, int, str]]) -> set[str]:
    """Return the keys of those files that a job references. A file is given as (job, fence, key).

    A job references the files of its artifact and of its running attempt.
    """
    ids = {job_id for job_id, _, _ in files}
    columns = select(job.c.id, job.c.fence, job.c.artifact_key, has_status(LEASED).label("is_leased"))
    rows = {row.id: row for row in connection.execute(columns.where(job.c.id.in_(ids)))}
    published = manifests.keys(connection, ids)
    return {
        key
        for job_id, fence, key in files
        if (job_id, key) in published
        or ((row := rows.get(job_id)) and (row.artifact_key == key or (row.is_leased and row.fence == fence)))
    }
