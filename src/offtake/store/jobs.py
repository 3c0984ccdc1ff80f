"""Statements on the job table: one function per move.

Each move is one conditional UPDATE that names the states it may start from (``model.job.MOVES``) and, for a leased
job, the fence. No row updated means somebody else moved the job first: callers get None or False, a normal answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Subquery,
    Update,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    true,
    update,
)

from offtake.model.artifact import Artifact
from offtake.model.job import LEASED, OPEN, Failure, Job, JobFilter, Lease, Status, sources
from offtake.store.records import job_from_row, request_to_json
from offtake.store.schema import NUL, Instant, job, later, tenant
from offtake.store.wakeup import announce

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
            estimated_seconds=int(new.estimated_duration.total_seconds()),
        )
    )
    announce(connection)


def lock(connection: Connection, job_id: str) -> None:
    """Let nobody change that job until the transaction ends (SQLite: the writer's lock does it)."""
    connection.execute(select(job.c.id).where(job.c.id == job_id).with_for_update())


def get(connection: Connection, job_id: str, *, tenant: str | None = None) -> Job | None:
    """The job of that id, of that tenant when one is given."""
    if NUL in job_id:
        return None
    if tenant is None:
        row = connection.execute(_GET, {"job": job_id}).one_or_none()
    else:
        row = connection.execute(_GET_OWN, {"job": job_id, "tenant_name": tenant}).one_or_none()
    return None if row is None else job_from_row(row)


def get_by_reference(connection: Connection, reference: str, *, tenant: str) -> Job | None:
    """The tenant's job that its dialect knows by that reference."""
    if NUL in reference:
        return None
    row = connection.execute(_GET_REFERENCED, {"reference": reference, "tenant_name": tenant}).one_or_none()
    return None if row is None else job_from_row(row)


def count(connection: Connection, wanted: JobFilter) -> int:
    """How many jobs are meant."""
    return int(connection.execute(select(func.count()).select_from(job).where(_meant(wanted))).scalar_one())


def newest(connection: Connection, wanted: JobFilter, *, limit: int, offset: int = 0) -> Sequence[Job]:
    """The jobs meant, newest first; the order is total, so that pages neither repeat nor skip a job that stays."""
    statement = select(job).where(_meant(wanted)).order_by(job.c.created_at.desc(), job.c.id.desc())
    return [job_from_row(row) for row in connection.execute(statement.limit(limit).offset(offset))]


def is_due(connection: Connection, *, now: datetime, longest: timedelta | None = None) -> bool:
    """Whether there is a job to claim, not expected to run longer than ``longest`` where that is given."""
    statement = select(job.c.id).where(_due(job, now, longest)).limit(1)
    return connection.execute(statement).first() is not None


def claim(
    connection: Connection, *, worker: str, now: datetime, until: datetime, longest: timedelta | None = None
) -> Lease | None:
    """Lease the job whose turn it is, of those not expected to run longer than ``longest``.

    The turn is that of the tenant with the fewest running jobs, among such the one that has waited longest for a
    worker; within a tenant the older job comes first, but each yields for as long as it is expected to run itself.
    One row by ``=``: an IN with a LIMIT may be evaluated twice and claim two.
    """
    waiting, turn = job.alias("waiting"), _turns()
    place = later(waiting.c.created_at, waiting.c.estimated_seconds)
    # Compared as an expression: with the column SQLite would go through all jobs the tenant has ever had.
    candidate = (
        select(waiting.c.id)
        .join(turn, turn.c.tenant == waiting.c.tenant.concat(""))
        .where(_due(waiting, now, longest))
        .order_by(turn.c.running, turn.c.served_at.nulls_first(), place, waiting.c.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=waiting)
        .scalar_subquery()
    )
    return _leased(connection, job.c.id == candidate, worker=worker, now=now, until=until)


def _turns() -> Subquery:
    """Tenants with open jobs: how many of their jobs run, and when a worker last took one.

    Grouped, so that no planner looks a tenant up once for each of its jobs.
    """
    served = job.alias("served")
    last_served = select(func.max(served.c.started_at)).where(served.c.tenant == job.c.tenant).scalar_subquery()
    running = func.sum(case((_among(LEASED), 1), else_=0))
    columns = select(job.c.tenant, running.label("running"), last_served.label("served_at"))
    return columns.where(_among(OPEN)).group_by(job.c.tenant).subquery("turn")


def _due(waiting: FromClause, now: datetime, longest: timedelta | None) -> ColumnElement[bool]:
    due = and_(_among({Status.QUEUED}, waiting), waiting.c.not_before <= now)
    return due if longest is None else and_(due, waiting.c.estimated_seconds <= int(longest.total_seconds()))


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


def schedule_retry(connection: Connection, lease: Lease, *, not_before: datetime) -> bool:
    """Back to the queue for another attempt, not before that instant."""
    statement = _move(Status.QUEUED, _held(lease)).values(not_before=not_before, **_NO_LEASE)
    return _queued(connection, statement)


def requeue(connection: Connection, lease: Lease, *, now: datetime) -> bool:
    """Back to the queue because the worker stops; the attempt does not count."""
    statement = _move(Status.QUEUED, _held(lease)).values(not_before=now, attempts=job.c.attempts - 1, **_NO_LEASE)
    return _queued(connection, statement)


def expired_leases(
    connection: Connection, *, now: datetime, furthest: timedelta, worker: str | None = None
) -> Sequence[Lease]:
    """Leases that ran out (their workers died, hang, or cannot reach the store), or all leases of a dead worker.

    One that lasts longer than ``furthest`` from now was given before the clock was put back.
    """
    over = or_(job.c.lease_until < now, job.c.lease_until > now + furthest)
    gone = over if worker is None else job.c.lease_worker == worker
    rows = connection.execute(select(job).where(_among(LEASED), gone)).all()
    return [
        Lease(job=job_from_row(row), fence=row.fence, worker=row.lease_worker, until=row.lease_until) for row in rows
    ]


def make_due(connection: Connection, *, now: datetime, furthest: timedelta) -> int:
    """Make due now what would wait longer than ``furthest``: it was queued before the clock was put back. Returns how
    many jobs."""
    waits = and_(_among({Status.QUEUED}), job.c.not_before > now + furthest)
    return connection.execute(update(job).where(waits).values(not_before=now)).rowcount


def cancel(connection: Connection, job_id: str, *, tenant: str, now: datetime) -> Job | None:
    """End an unfinished job on request. Whoever runs it finds the lease gone."""
    statement = _move(Status.CANCELLED, and_(job.c.id == job_id, job.c.tenant == tenant)).values(
        finished_at=now, **_NO_LEASE
    )
    row = connection.execute(statement.returning(job)).one_or_none()
    return None if row is None else job_from_row(row)


def reset_failed(connection: Connection, job_id: str, *, now: datetime) -> Job | None:
    """Put a failed job back into the queue as if it had never been tried; its fence goes on."""
    statement = (
        update(job)
        .where(job.c.id == job_id, _among({Status.FAILED}))
        .values(
            status=Status.QUEUED,
            not_before=now,
            attempts=0,
            finished_at=None,
            failure_code=None,
            failure_message=None,
        )
    )
    row = connection.execute(statement.returning(job)).one_or_none()
    if row is None:
        return None
    announce(connection)
    return job_from_row(row)


def hold(connection: Connection, job_id: str, *, now: datetime) -> Job | None:
    """Keep the file that the job has or will have. None where there is none, or where its removal may have begun."""
    has_time = and_(_among({Status.SUCCEEDED}), job.c.expires_at > now)
    statement = update(job).where(job.c.id == job_id, or_(_among(OPEN), has_time))
    row = connection.execute(
        statement.values(held_at=func.coalesce(job.c.held_at, literal(now, Instant()))).returning(job)
    ).one_or_none()
    return None if row is None else job_from_row(row)


def release(connection: Connection, job_id: str) -> Job | None:
    """End a hold."""
    statement = update(job).where(job.c.id == job_id, job.c.held_at.is_not(None)).values(held_at=None)
    row = connection.execute(statement.returning(job)).one_or_none()
    return None if row is None else job_from_row(row)


def expired(connection: Connection, *, now: datetime, limit: int = 100, after: Job | None = None) -> Sequence[Job]:
    """Published jobs whose retention is over and whose files nobody holds, the longest over first; those that come
    after one of them, where it is given."""
    over = and_(_among({Status.SUCCEEDED}), job.c.expires_at <= now, job.c.held_at.is_(None))
    if after is not None:
        later_id = and_(job.c.expires_at == after.expires_at, job.c.id > after.id)
        over = and_(over, or_(job.c.expires_at > after.expires_at, later_id))
    statement = select(job).where(over).order_by(job.c.expires_at, job.c.id).limit(limit)
    return [job_from_row(row) for row in connection.execute(statement)]


def expire(connection: Connection, job_id: str) -> bool:
    """The artifact is gone because its retention is over."""
    statement = _move(Status.EXPIRED, job.c.id == job_id).values(artifact_key=None)
    return connection.execute(statement).rowcount == 1


def retire(connection: Connection, job_id: str, *, now: datetime) -> bool:
    """The retention of a published artifact ends now, if not before: no link to it is given any more, and upkeep
    removes the file should whoever wants it gone not come to that. False where it is held; afterwards it cannot be."""
    ends_at = case((job.c.expires_at < now, job.c.expires_at), else_=literal(now, Instant()))
    statement = update(job).where(job.c.id == job_id, _among({Status.SUCCEEDED}), job.c.held_at.is_(None))
    statement = statement.values(expires_at=ends_at)
    return connection.execute(statement).rowcount == 1


def delete(connection: Connection, job_id: str) -> bool:
    """The job was deleted on request; its artifact, where it had one, is gone. The record stays."""
    statement = _move(Status.DELETED, job.c.id == job_id).values(artifact_key=None)
    return connection.execute(statement).rowcount == 1


def needed(connection: Connection, files: Collection[tuple[str, int, str]]) -> set[str]:
    """Of files, each given by its job, fence and key, the keys of those that a row has a use for: it names the file, or
    the attempt with that fence is still running."""
    columns = select(job.c.id, job.c.fence, job.c.artifact_key, _among(LEASED).label("runs"))
    found = connection.execute(columns.where(job.c.id.in_({job_id for job_id, _, _ in files}))).all()
    rows = {row.id: row for row in found}
    return {
        key
        for job_id, fence, key in files
        if (row := rows.get(job_id)) and (row.artifact_key == key or (row.runs and row.fence == fence))
    }


def _meant(wanted: JobFilter) -> ColumnElement[bool]:
    given = [
        column == value
        for column, value in (
            (job.c.tenant, wanted.tenant),
            (job.c.dialect, wanted.dialect),
            (job.c.report, wanted.report),
            (job.c.status, wanted.status),
        )
        if value is not None
    ]
    if wanted.since is not None:
        given.append(job.c.created_at >= wanted.since)
    if wanted.person is not None:
        given.append(or_(job.c.actor == wanted.person, job.c.effective == wanted.person))
    return and_(true(), *given)


def _among(statuses: Collection[Status], of: FromClause = job) -> ColumnElement[bool]:
    """In one of these states; written as literals so that SQLite can prove a partial index fits."""
    words: list[ColumnElement[str]] = [literal_column(f"'{status}'") for status in sorted(statuses)]
    return of.c.status == words[0] if len(words) == 1 else of.c.status.in_(words)


def _move(target: Status, condition: ColumnElement[bool]) -> Update:
    return update(job).where(condition, _among(sources(target))).values(status=target)


def _queued(connection: Connection, statement: Update) -> bool:
    """Put a job back, and wake the workers when the transaction is committed."""
    moved = connection.execute(statement).rowcount == 1
    if moved:
        announce(connection)
    return moved


def _held(lease: Lease) -> ColumnElement[bool]:
    return and_(job.c.id == lease.job.id, job.c.fence == lease.fence, _among(LEASED))


def claim_one(connection: Connection, job_id: str, *, worker: str, now: datetime, until: datetime) -> Lease | None:
    """Lease that job if it waits and may run now."""
    condition = and_(job.c.id == job_id, job.c.not_before <= now)
    return _leased(connection, condition, worker=worker, now=now, until=until)


def _leased(
    connection: Connection, condition: ColumnElement[bool], *, worker: str, now: datetime, until: datetime
) -> Lease | None:
    """Begin an attempt at the queued job that is meant: the next fence, one more attempt."""
    statement = _move(Status.RUNNING, condition).values(
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
