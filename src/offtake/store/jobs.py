"""Statements on the job table, one function per move of the state machine.

Each move is one conditional UPDATE on the states that it may start from (``model.job.MOVES``) and, for a leased job, on
the fence. If another process has moved the job first, no row is updated and the function returns None or False.
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
    null,
    or_,
    select,
    true,
    update,
)

from offtake.errors import NotAuthenticated
from offtake.model.artifact import Artifact
from offtake.model.job import LEASED, OPEN, Failure, Job, JobFilter, Lease, Pin, Progress, Status, sources
from offtake.store import manifests, usage
from offtake.store.records import job_from_row, request_to_json, stored_bytes
from offtake.store.schema import NUL, Instant, job, later, tenant
from offtake.store.wakeup import announce, announce_move

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
_NO_LEASE: dict[str, None] = {"lease_worker": None, "lease_until": None}


def lock_tenant(connection: Connection, name: str) -> None:
    """Serialise job creation for this tenant until the transaction ends. On SQLite the write lock has this effect.

    Raises NotAuthenticated if the tenant was removed since the request was authenticated.
    """
    statement = select(tenant.c.name).where(tenant.c.name == name, tenant.c.removing_at.is_(None))
    if connection.execute(statement.with_for_update()).one_or_none() is None:
        raise NotAuthenticated("The account does not exist any more.")


def count_open(connection: Connection, *, tenant: str, dialect: str | None = None) -> int:
    """Return the number of the tenant's open jobs, in the dialect if one is given."""
    if dialect is None:
        return int(connection.execute(_COUNT_OPEN, {"tenant_name": tenant}).scalar_one())
    return int(connection.execute(_COUNT_OPEN_OF, {"tenant_name": tenant, "dialect_name": dialect}).scalar_one())


def add(connection: Connection, new: Job) -> None:
    """Insert a queued job and wake the workers."""
    request, stored = new.request, request_to_json(new.request)
    size = stored_bytes(stored)
    connection.execute(
        insert(job).values(
            id=new.id,
            tenant=new.tenant,
            principal=new.principal,
            dialect=request.dialect,
            report=request.report,
            format=request.format,
            request=stored,
            request_bytes=size,
            status=new.status,
            fence=new.fence,
            attempts=new.attempts,
            created_at=new.created_at,
            not_before=new.not_before,
            reference=new.reference,
            actor=new.actor,
            effective=new.effective,
            estimated_seconds=int(new.estimated_duration.total_seconds()),
            estimated_rows=new.estimated_rows,
        )
    )
    usage.add_requests(connection, new.tenant, size)
    announce(connection)


def lock(connection: Connection, job_id: str) -> None:
    """Lock the job until the transaction ends. On SQLite the write lock has this effect."""
    connection.execute(select(job.c.id).where(job.c.id == job_id).with_for_update())


def get(connection: Connection, job_id: str, *, tenant: str | None = None) -> Job | None:
    """Return the job with that id, of that tenant if one is given."""
    if NUL in job_id:
        return None
    if tenant is None:
        row = connection.execute(_GET, {"job": job_id}).one_or_none()
    else:
        row = connection.execute(_GET_OF_TENANT, {"job": job_id, "tenant_name": tenant}).one_or_none()
    return None if row is None else job_from_row(row)


def get_by_reference(connection: Connection, reference: str, *, tenant: str) -> Job | None:
    """Return the tenant's job with the dialect's reference."""
    if NUL in reference:
        return None
    row = connection.execute(_GET_BY_REFERENCE, {"reference": reference, "tenant_name": tenant}).one_or_none()
    return None if row is None else job_from_row(row)


def count(connection: Connection, condition: JobFilter) -> int:
    """Return the number of jobs that match."""
    return int(connection.execute(select(func.count()).select_from(job).where(_matches(condition))).scalar_one())


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
    statement = select(job).where(_matches(condition)).order_by(job.c.created_at.desc(), job.c.id.desc())
    if before is not None:
        created_at, job_id = before
        smaller_id = and_(job.c.created_at == created_at, job.c.id < job_id)
        statement = statement.where(or_(job.c.created_at < created_at, smaller_id))
    return [job_from_row(row) for row in connection.execute(statement.limit(limit).offset(offset))]


def is_due(connection: Connection, *, now: datetime, longest: timedelta | None = None) -> bool:
    """Whether a job can be claimed, with an estimated duration of at most ``longest`` if that is given."""
    statement = select(job.c.id).where(_due(job, now, longest)).limit(1)
    return connection.execute(statement).first() is not None


def claim(
    connection: Connection, *, worker: str, now: datetime, until: datetime, longest: timedelta | None = None
) -> Lease | None:
    """Lease the next job, among those with an estimated duration of at most ``longest`` if that is given.

    The tenant with the fewest running jobs comes first, then the tenant that a worker has served least recently.
    Within a tenant, jobs are sorted by their creation plus their estimated duration, so that short jobs pass long ones.
    The job is selected by ``=``, because an IN with a LIMIT may be evaluated twice and claim two jobs.
    """
    waiting, turn = job.alias("waiting"), _turns()
    rank = later(waiting.c.created_at, waiting.c.estimated_seconds)
    # Concatenated, so that SQLite does not use an index of the tenant and scan all jobs it ever had.
    candidate = (
        select(waiting.c.id)
        .join(turn, turn.c.tenant == waiting.c.tenant.concat(""))
        .where(_due(waiting, now, longest))
        .order_by(turn.c.running, turn.c.served_at.nulls_first(), rank, waiting.c.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=waiting)
        .scalar_subquery()
    )
    return _lease(connection, job.c.id == candidate, worker=worker, now=now, until=until)


def _turns() -> Subquery:
    """Return the tenants with open jobs, their number of running jobs and the start of their latest attempt.

    It is grouped, so that the database evaluates it once per tenant and not once per job.
    """
    served = job.alias("served")
    last_served = select(func.max(served.c.started_at)).where(served.c.tenant == job.c.tenant).scalar_subquery()
    running = func.sum(case((_has_status(LEASED), 1), else_=0))
    columns = select(job.c.tenant, running.label("running"), last_served.label("served_at"))
    return columns.where(_has_status(OPEN)).group_by(job.c.tenant).subquery("turn")


def _due(waiting: FromClause, now: datetime, longest: timedelta | None) -> ColumnElement[bool]:
    due = and_(_has_status({Status.QUEUED}, waiting), waiting.c.not_before <= now)
    return due if longest is None else and_(due, waiting.c.estimated_seconds <= int(longest.total_seconds()))


def renew(connection: Connection, lease: Lease, *, until: datetime, progress: Progress) -> bool:
    """Extend the lease and record the attempt's progress. Return False if the lease was lost."""
    values = {"lease_until": until, "phase": progress.phase, "rows_so_far": progress.rows}
    statement = update(job).where(_has_lease(lease)).values(values)
    return connection.execute(statement).rowcount == 1


def pin(connection: Connection, lease: Lease, pinned: Pin) -> bool:
    """Record what all attempts of the job read. Return False if the lease was lost."""
    values = {"report_version": pinned.report_version, "lake_versions": dict(pinned.lake_versions)}
    return connection.execute(update(job).where(_has_lease(lease)).values(values)).rowcount == 1


def holds(connection: Connection, lease: Lease) -> bool:
    """Whether the lease is still valid: the job was neither cancelled nor leased again."""
    return connection.execute(select(job.c.id).where(_has_lease(lease))).one_or_none() is not None


def upload(connection: Connection, lease: Lease) -> bool:
    """Move the job to uploading: its file is verified and will be moved to its final key."""
    statement = _move(Status.UPLOADING, _has_lease(lease))
    return connection.execute(statement).rowcount == 1


def succeed(connection: Connection, lease: Lease, artifact: Artifact, *, now: datetime, expires_at: datetime) -> bool:
    """Publish the artifact. Only this statement makes a file visible to clients."""
    statement = _move(Status.SUCCEEDED, _has_lease(lease)).values(
        finished_at=now,
        expires_at=expires_at,
        artifact_key=artifact.key,
        rows=artifact.rows,
        bytes=artifact.bytes,
        sha256=artifact.sha256,
        files=artifact.files,
        **_NO_LEASE,
    )
    if not _execute_move(connection, statement):
        return False
    usage.add_files(connection, lease.job.tenant, artifact, now=now)
    return True


def fail(connection: Connection, lease: Lease, failure: Failure, *, now: datetime) -> bool:
    """Fail the job."""
    statement = _move(Status.FAILED, _has_lease(lease)).values(
        finished_at=now, failure_code=failure.code, failure_message=failure.message, **_NO_LEASE
    )
    return _execute_move(connection, statement)


def schedule_retry(connection: Connection, lease: Lease, *, not_before: datetime) -> bool:
    """Return the job to the queue for another attempt from ``not_before`` on."""
    statement = _move(Status.QUEUED, _has_lease(lease)).values(not_before=not_before, **_NO_LEASE)
    return _enqueue(connection, statement)


def requeue(connection: Connection, lease: Lease, *, now: datetime) -> bool:
    """Return the job to the queue because the worker shuts down; the attempt does not count."""
    statement = _move(Status.QUEUED, _has_lease(lease)).values(not_before=now, attempts=job.c.attempts - 1, **_NO_LEASE)
    return _enqueue(connection, statement)


def expired_leases(
    connection: Connection, *, now: datetime, horizon: timedelta, worker: str | None = None
) -> Sequence[Lease]:
    """Return expired leases (the worker died, hangs or cannot reach the store), or all leases of a dead worker.

    A lease that ends more than ``horizon`` from now counts as expired: the clock was set back after it was granted.
    """
    expired = or_(job.c.lease_until < now, job.c.lease_until > now + horizon)
    is_lost = expired if worker is None else job.c.lease_worker == worker
    rows = connection.execute(select(job).where(_has_status(LEASED), is_lost)).all()
    return [
        Lease(job=job_from_row(row), fence=row.fence, worker=row.lease_worker, until=row.lease_until) for row in rows
    ]


def make_due(connection: Connection, *, now: datetime, horizon: timedelta) -> int:
    """Make jobs due that would wait longer than ``horizon``: the clock was set back since. Return their number."""
    waits = and_(_has_status({Status.QUEUED}), job.c.not_before > now + horizon)
    return connection.execute(update(job).where(waits).values(not_before=now)).rowcount


def cancel(connection: Connection, job_id: str, *, tenant: str, now: datetime) -> Job | None:
    """Cancel an open job. A running attempt loses its lease."""
    statement = _move(Status.CANCELLED, and_(job.c.id == job_id, job.c.tenant == tenant)).values(
        finished_at=now, **_NO_LEASE
    )
    row = connection.execute(statement.returning(job)).one_or_none()
    if row is None:
        return None
    announce_move(connection)
    return job_from_row(row)


def reset_failed(connection: Connection, job_id: str, *, now: datetime) -> Job | None:
    """Return a failed job to the queue with its attempts reset, to read the newest lake; the fence keeps increasing."""
    statement = (
        update(job)
        .where(job.c.id == job_id, _has_status({Status.FAILED}))
        .values(
            status=Status.QUEUED,
            not_before=now,
            attempts=0,
            report_version=None,
            lake_versions=null(),
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


def hold(connection: Connection, job_id: str, *, now: datetime, by: str | None = None) -> Job | None:
    """Hold the job's present or future file. Return None if it has none, or if its removal may have begun.

    ``by`` is the credential of a client; None: the operator, whose hold replaces that of a client, but not vice versa.
    """
    is_retained = and_(_has_status({Status.SUCCEEDED}), job.c.expires_at > now)
    statement = update(job).where(job.c.id == job_id, or_(_has_status(OPEN), is_retained))
    row = connection.execute(
        statement.values(
            held_at=func.coalesce(job.c.held_at, literal(now, Instant())),
            held_by=None if by is None else case((job.c.held_at.is_(None), by), else_=job.c.held_by),
        ).returning(job)
    ).one_or_none()
    return None if row is None else job_from_row(row)


def release(connection: Connection, job_id: str) -> Job | None:
    """Release a hold. Return None if the job is not held."""
    statement = update(job).where(job.c.id == job_id, job.c.held_at.is_not(None)).values(held_at=None, held_by=None)
    row = connection.execute(statement.returning(job)).one_or_none()
    return None if row is None else job_from_row(row)


def extend_retention(connection: Connection, job_id: str, *, now: datetime, expires_at: datetime) -> Job | None:
    """Keep the file of a published job until ``expires_at``. Return None if its removal may have begun."""
    is_retained = and_(_has_status({Status.SUCCEEDED}), job.c.expires_at > now)
    statement = update(job).where(job.c.id == job_id, is_retained).values(expires_at=expires_at)
    row = connection.execute(statement.returning(job)).one_or_none()
    return None if row is None else job_from_row(row)


def expired(connection: Connection, *, now: datetime, limit: int = 100, after: Job | None = None) -> Sequence[Job]:
    """Return published jobs whose retention is over and that are not held, longest expired first.

    With ``after``, return those that come after that job.
    """
    is_over = and_(_has_status({Status.SUCCEEDED}), job.c.expires_at <= now, job.c.held_at.is_(None))
    if after is not None:
        later_id = and_(job.c.expires_at == after.expires_at, job.c.id > after.id)
        is_over = and_(is_over, or_(job.c.expires_at > after.expires_at, later_id))
    statement = select(job).where(is_over).order_by(job.c.expires_at, job.c.id).limit(limit)
    return [job_from_row(row) for row in connection.execute(statement)]


def expire(connection: Connection, job_id: str) -> bool:
    """Move the job to expired: its artifact was removed because the retention is over."""
    return _remove_file(connection, _move(Status.EXPIRED, job.c.id == job_id))


def end_retention(connection: Connection, job_id: str, *, now: datetime) -> bool:
    """End the retention of a published artifact now, unless it has ended. Return False if the job is held.

    Afterwards the artifact has no links and cannot be held, and maintenance removes the file if the caller does not.
    """
    ends_at = case((job.c.expires_at < now, job.c.expires_at), else_=literal(now, Instant()))
    statement = update(job).where(job.c.id == job_id, _has_status({Status.SUCCEEDED}), job.c.held_at.is_(None))
    statement = statement.values(expires_at=ends_at)
    return connection.execute(statement).rowcount == 1


def delete(connection: Connection, job_id: str) -> bool:
    """Move the job to deleted; its artifact, if any, was removed. The job's record stays."""
    if _remove_file(connection, _move(Status.DELETED, and_(job.c.id == job_id, job.c.artifact_key.is_not(None)))):
        return True
    return connection.execute(_move(Status.DELETED, job.c.id == job_id)).rowcount == 1


def erase(connection: Connection, job_id: str, failure: Failure) -> bool:
    """Move a published job to deleted, with the reason: its artifact was removed because it may hold a person."""
    statement = _move(Status.DELETED, and_(job.c.id == job_id, job.c.artifact_key.is_not(None)))
    return _remove_file(connection, statement.values(failure_code=failure.code, failure_message=failure.message))


def open_jobs(connection: Connection, name: str) -> Sequence[Job]:
    """Return the tenant's open jobs."""
    statement = select(job).where(job.c.tenant == name, _has_status(OPEN)).order_by(job.c.created_at, job.c.id)
    return [job_from_row(row) for row in connection.execute(statement)]


def referenced_keys(connection: Connection, files: Collection[tuple[str, int, str]]) -> set[str]:
    """Return the keys of those files that a job references. A file is given as (job, fence, key).

    A job references the files of its artifact and of its running attempt.
    """
    ids = {job_id for job_id, _, _ in files}
    columns = select(job.c.id, job.c.fence, job.c.artifact_key, _has_status(LEASED).label("is_leased"))
    rows = {row.id: row for row in connection.execute(columns.where(job.c.id.in_(ids)))}
    published = manifests.keys(connection, ids)
    return {
        key
        for job_id, fence, key in files
        if (job_id, key) in published
        or ((row := rows.get(job_id)) and (row.artifact_key == key or (row.is_leased and row.fence == fence)))
    }


def _matches(condition: JobFilter) -> ColumnElement[bool]:
    conditions = [
        column == value
        for column, value in (
            (job.c.tenant, condition.tenant),
            (job.c.dialect, condition.dialect),
            (job.c.report, condition.report),
            (job.c.status, condition.status),
        )
        if value is not None
    ]
    if condition.since is not None:
        conditions.append(job.c.created_at >= condition.since)
    if condition.reports is not None:
        conditions.append(job.c.report.in_(condition.reports))
    if condition.person is not None:
        conditions.append(or_(job.c.actor == condition.person, job.c.effective == condition.person))
    return and_(true(), *conditions)


def _has_status(statuses: Collection[Status], of: FromClause = job) -> ColumnElement[bool]:
    """Whether the job is in one of the states. They are literals, so that SQLite uses the partial indexes."""
    literals: list[ColumnElement[str]] = [literal_column(f"'{status}'") for status in sorted(statuses)]
    return of.c.status == literals[0] if len(literals) == 1 else of.c.status.in_(literals)


def _move(target: Status, condition: ColumnElement[bool]) -> Update:
    return update(job).where(condition, _has_status(sources(target))).values(status=target)


def _execute_move(connection: Connection, statement: Update) -> bool:
    """Execute a move. The commit of the transaction wakes the servers with clients that wait for the job."""
    moved = connection.execute(statement).rowcount == 1
    if moved:
        announce_move(connection)
    return moved


def _enqueue(connection: Connection, statement: Update) -> bool:
    """Execute a move to queued. The commit of the transaction wakes the workers."""
    moved = connection.execute(statement).rowcount == 1
    if moved:
        announce(connection)
    return moved


def _remove_file(connection: Connection, statement: Update) -> bool:
    """Execute a move of a job whose artifact was removed."""
    removed = statement.values(artifact_key=None)
    row = connection.execute(
        removed.returning(job.c.id, job.c.tenant, job.c.bytes, job.c.rows, job.c.files)
    ).one_or_none()
    if row is None:
        return False
    manifests.remove_files(connection, row.id)
    usage.remove_files(connection, row.tenant, files=row.files or 1, size=row.bytes, rows=row.rows)
    return True


def _has_lease(lease: Lease) -> ColumnElement[bool]:
    return and_(job.c.id == lease.job.id, job.c.fence == lease.fence, _has_status(LEASED))


def claim_one(connection: Connection, job_id: str, *, worker: str, now: datetime, until: datetime) -> Lease | None:
    """Lease that job if it is queued and due."""
    condition = and_(job.c.id == job_id, job.c.not_before <= now)
    return _lease(connection, condition, worker=worker, now=now, until=until)


def _lease(
    connection: Connection, condition: ColumnElement[bool], *, worker: str, now: datetime, until: datetime
) -> Lease | None:
    """Begin an attempt of the queued job that matches: next fence, one more attempt."""
    statement = _move(Status.RUNNING, condition).values(
        fence=job.c.fence + 1,
        attempts=job.c.attempts + 1,
        started_at=now,
        lease_worker=worker,
        lease_until=until,
        phase=None,
        rows_so_far=None,
    )
    row = connection.execute(statement.returning(job)).one_or_none()
    if row is None:
        return None
    announce_move(connection)
    return Lease(job=job_from_row(row), fence=row.fence, worker=worker, until=until)
