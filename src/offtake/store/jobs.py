"""Statements on the job table: one function per move.

Each move is one conditional UPDATE that names the states it may start from (``model.job.MOVES``) and, for a leased
job, the fence. No row updated means somebody else moved the job first: callers get None or False, a normal answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Update,
    and_,
    bindparam,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from offtake.model.artifact import Artifact
from offtake.model.job import LEASED, OPEN, Failure, Job, JobFilter, Lease, Status, sources
from offtake.store.records import job_from_row, request_to_json
from offtake.store.schema import job, tenant

# Built once: polls read a job thousands of times a second, and building an expression costs more than running it.
_GET = select(job).where(job.c.id == bindparam("job"))
_GET_OWN = _GET.where(job.c.tenant == bindparam("tenant_name"))
_GET_REFERENCED = select(job).where(job.c.reference == bindparam("reference"), job.c.tenant == bindparam("tenant_name"))
_NO_LEASE: dict[str, None] = {"lease_worker": None, "lease_until": None}


def lock_tenant(connection: Connection, name: str) -> None:
    """Hold back every other creator of this tenant until the transaction ends (SQLite: the writer's lock does it)."""
    connection.execute(select(tenant.c.name).where(tenant.c.name == name).with_for_update()).one()


def count_open(connection: Connection, *, tenant: str, dialect: str) -> int:
    """Jobs that count towards the quota of that tenant in that dialect."""
    statement = (
        select(func.count()).select_from(job).where(job.c.tenant == tenant, job.c.dialect == dialect, _among(OPEN))
    )
    return int(connection.execute(statement).scalar_one())


def add(connection: Connection, new: Job) -> None:
    """Insert a queued job."""
    request = new.request
    connection.execute(
        insert(job).values(
            id=new.id,
            tenant=new.tenant,
            principal=new.principal,
            dialect=request.dialect,
            report=request.report,
            format=request.format,
            request=request_to_json(request),
            status=new.status,
            fence=new.fence,
            attempts=new.attempts,
            created_at=new.created_at,
            not_before=new.not_before,
            reference=new.reference,
            actor=new.actor,
            effective=new.effective,
        )
    )


def get(connection: Connection, job_id: str, *, tenant: str | None = None) -> Job | None:
    """The job of that id, of that tenant when one is given."""
    if tenant is None:
        row = connection.execute(_GET, {"job": job_id}).one_or_none()
    else:
        row = connection.execute(_GET_OWN, {"job": job_id, "tenant_name": tenant}).one_or_none()
    return None if row is None else job_from_row(row)


def get_by_reference(connection: Connection, reference: str, *, tenant: str) -> Job | None:
    """The tenant's job that its dialect knows by that reference."""
    row = connection.execute(_GET_REFERENCED, {"reference": reference, "tenant_name": tenant}).one_or_none()
    return None if row is None else job_from_row(row)


def count(connection: Connection, wanted: JobFilter) -> int:
    """How many jobs are meant."""
    return int(connection.execute(select(func.count()).select_from(job).where(_meant(wanted))).scalar_one())


def newest(connection: Connection, wanted: JobFilter, *, limit: int, offset: int = 0) -> Sequence[Job]:
    """The jobs meant, newest first; the order is total, so that pages neither repeat nor skip a job that stays."""
    statement = select(job).where(_meant(wanted)).order_by(job.c.created_at.desc(), job.c.id.desc())
    return [job_from_row(row) for row in connection.execute(statement.limit(limit).offset(offset))]


def is_due(connection: Connection, *, now: datetime) -> bool:
    """Whether there is a job to claim."""
    statement = select(job.c.id).where(_among({Status.QUEUED}), job.c.not_before <= now).limit(1)
    return connection.execute(statement).first() is not None


def claim(connection: Connection, *, worker: str, now: datetime, until: datetime) -> Lease | None:
    """Lease the oldest job that may run. One row by ``=``: an IN with a LIMIT may be evaluated twice and claim two."""
    candidate = (
        select(job.c.id)
        .where(_among({Status.QUEUED}), job.c.not_before <= now)
        .order_by(job.c.created_at, job.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    statement = _move(Status.RUNNING, job.c.id == candidate).values(
        fence=job.c.fence + 1,
        attempts=job.c.attempts + 1,
        started_at=now,
        lease_worker=worker,
        lease_until=until,
    )
    row = connection.execute(statement.returning(job)).one_or_none()
    if row is None:
        return None
    return Lease(job=job_from_row(row), fence=row.fence, worker=worker, until=until)


def renew(connection: Connection, lease: Lease, *, until: datetime) -> bool:
    """Prolong the lease; False when it is no longer ours."""
    statement = update(job).where(_held(lease)).values(lease_until=until)
    return connection.execute(statement).rowcount == 1


def holds(connection: Connection, lease: Lease) -> bool:
    """Whether the lease is still ours: the job was not cancelled, and nobody else leased it."""
    return connection.execute(select(job.c.id).where(_held(lease))).one_or_none() is not None


def upload(connection: Connection, lease: Lease) -> bool:
    """The file is verified and is about to be put where downloads find it."""
    statement = _move(Status.UPLOADING, _held(lease))
    return connection.execute(statement).rowcount == 1


def succeed(connection: Connection, lease: Lease, artifact: Artifact, *, now: datetime, expires_at: datetime) -> bool:
    """Publish: the only moment at which a result becomes visible."""
    statement = _move(Status.SUCCEEDED, _held(lease)).values(
        finished_at=now,
        expires_at=expires_at,
        artifact_key=artifact.key,
        rows=artifact.rows,
        bytes=artifact.bytes,
        sha256=artifact.sha256,
        **_NO_LEASE,
    )
    return connection.execute(statement).rowcount == 1


def fail(connection: Connection, lease: Lease, failure: Failure, *, now: datetime) -> bool:
    """End the job without an artifact."""
    statement = _move(Status.FAILED, _held(lease)).values(
        finished_at=now, failure_code=failure.code, failure_message=failure.message, **_NO_LEASE
    )
    return connection.execute(statement).rowcount == 1


def retry(connection: Connection, lease: Lease, *, not_before: datetime) -> bool:
    """Back to the queue for another attempt, not before that instant."""
    statement = _move(Status.QUEUED, _held(lease)).values(not_before=not_before, **_NO_LEASE)
    return connection.execute(statement).rowcount == 1


def hand_back(connection: Connection, lease: Lease, *, now: datetime) -> bool:
    """Back to the queue because the worker stops; the attempt does not count."""
    statement = _move(Status.QUEUED, _held(lease)).values(not_before=now, attempts=job.c.attempts - 1, **_NO_LEASE)
    return connection.execute(statement).rowcount == 1


def abandoned(connection: Connection, *, now: datetime, worker: str | None = None) -> Sequence[Lease]:
    """Leases that ran out (their workers died, hang, or cannot reach the store), or all leases of a dead worker."""
    gone = job.c.lease_until < now if worker is None else job.c.lease_worker == worker
    rows = connection.execute(select(job).where(_among(LEASED), gone)).all()
    return [
        Lease(job=job_from_row(row), fence=row.fence, worker=row.lease_worker, until=row.lease_until) for row in rows
    ]


def cancel(connection: Connection, job_id: str, *, tenant: str, now: datetime) -> Job | None:
    """End an unfinished job on request. Whoever runs it finds the lease gone."""
    statement = _move(Status.CANCELLED, and_(job.c.id == job_id, job.c.tenant == tenant)).values(
        finished_at=now, **_NO_LEASE
    )
    row = connection.execute(statement.returning(job)).one_or_none()
    return None if row is None else job_from_row(row)


def expired(connection: Connection, *, now: datetime, limit: int = 100) -> Sequence[Job]:
    """Published jobs whose retention is over."""
    statement = select(job).where(_among({Status.SUCCEEDED}), job.c.expires_at <= now).limit(limit)
    return [job_from_row(row) for row in connection.execute(statement)]


def expire(connection: Connection, job_id: str) -> bool:
    """The artifact is gone because its retention is over."""
    statement = _move(Status.EXPIRED, job.c.id == job_id).values(artifact_key=None)
    return connection.execute(statement).rowcount == 1


def retire(connection: Connection, job_id: str, *, now: datetime) -> bool:
    """The retention of a published artifact ends now: no link to it is given any more, and upkeep removes the file
    should whoever wants it gone not come to that."""
    statement = update(job).where(job.c.id == job_id, _among({Status.SUCCEEDED})).values(expires_at=now)
    return connection.execute(statement).rowcount == 1


def delete(connection: Connection, job_id: str) -> bool:
    """The job was deleted on request; its artifact, where it had one, is gone. The record stays."""
    statement = _move(Status.DELETED, job.c.id == job_id).values(artifact_key=None)
    return connection.execute(statement).rowcount == 1


def names_file(connection: Connection, job_id: str, fence: int, key: str) -> bool:
    """Whether a row has a use for a file: it names it, or the attempt with that fence is still running."""
    running = and_(_among(LEASED), job.c.fence == fence)
    statement = select(job.c.id).where(job.c.id == job_id, or_(job.c.artifact_key == key, running))
    return connection.execute(statement).one_or_none() is not None


def _meant(wanted: JobFilter) -> ColumnElement[bool]:
    criteria = [job.c.tenant == wanted.tenant, job.c.dialect == wanted.dialect]
    if wanted.report is not None:
        criteria.append(job.c.report == wanted.report)
    if wanted.since is not None:
        criteria.append(job.c.created_at >= wanted.since)
    if wanted.person is not None:
        criteria.append(or_(job.c.actor == wanted.person, job.c.effective == wanted.person))
    return and_(*criteria)


def _among(statuses: Collection[Status]) -> ColumnElement[bool]:
    """In one of these states; written as literals so that SQLite can prove a partial index fits."""
    return job.c.status.in_([literal_column(f"'{status}'") for status in sorted(statuses)])


def _move(target: Status, condition: ColumnElement[bool]) -> Update:
    return update(job).where(condition, _among(sources(target))).values(status=target)


def _held(lease: Lease) -> ColumnElement[bool]:
    return and_(job.c.id == lease.job.id, job.c.fence == lease.fence, _among(LEASED))
