"""Statements on the job table, one function per move of the state machine.

Each move is one conditional UPDATE on the states that it may start from (``model.job.MOVES``) and, for a leased job, on
the fence. If another process has moved the job first, no row is updated and the function returns None or False.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Update, and_, case, func, insert, literal, null, or_, select, update

from offtake.errors import NotAuthenticated
from offtake.model.artifact import Artifact
from offtake.model.job import OPEN, Failure, Job, Lease, Pin, Progress, Status
from offtake.model.notice import Notice
from offtake.store import manifests, usage
from offtake.store.job_conditions import has_lease, has_status, move
from offtake.store.records import job_from_row, notices_to_json, request_to_json, stored_bytes
from offtake.store.schema import Instant, job, tenant
from offtake.store.wakeup import announce, announce_move

_NO_LEASE: dict[str, None] = {"lease_worker": None, "lease_until": None}


def lock_tenant(connection: Connection, name: str) -> None:
    """Serialise job creation for this tenant until the transaction ends. On SQLite the write lock has this effect.

    Raises NotAuthenticated if the tenant was removed since the request was authenticated.
    """
    statement = select(tenant.c.name).where(tenant.c.name == name, tenant.c.removing_at.is_(None))
    if connection.execute(statement.with_for_update()).one_or_none() is None:
        raise NotAuthenticated("The account does not exist any more.")


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


def renew(connection: Connection, lease: Lease, *, until: datetime, progress: Progress) -> bool:
    """Extend the lease and record the attempt's progress. Return False if the lease was lost."""
    values = {"lease_until": until, "phase": progress.phase, "rows_so_far": progress.rows}
    statement = update(job).where(has_lease(lease)).values(values)
    return connection.execute(statement).rowcount == 1


def pin(connection: Connection, lease: Lease, pinned: Pin, notices: Sequence[Notice] = ()) -> bool:
    """Record what all attempts of the job read, and the notices about it. Return False if the lease was lost."""
    values = {
        "report_version": pinned.report_version,
        "lake_versions": dict(pinned.lake_versions),
        "notices": notices_to_json(notices),
    }
    return connection.execute(update(job).where(has_lease(lease)).values(values)).rowcount == 1


def upload(connection: Connection, lease: Lease) -> bool:
    """Move the job to uploading: its file is verified and will be moved to its final key."""
    statement = move(Status.UPLOADING, has_lease(lease))
    return connection.execute(statement).rowcount == 1


def succeed(connection: Connection, lease: Lease, artifact: Artifact, *, now: datetime, expires_at: datetime) -> bool:
    """Publish the artifact. Only this statement makes a file visible to clients."""
    statement = move(Status.SUCCEEDED, has_lease(lease)).values(
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
    statement = move(Status.FAILED, has_lease(lease)).values(
        finished_at=now, failure_code=failure.code, failure_message=failure.message, **_NO_LEASE
    )
    return _execute_move(connection, statement)


def schedule_retry(connection: Connection, lease: Lease, *, not_before: datetime) -> bool:
    """Return the job to the queue for another attempt from ``not_before`` on."""
    statement = move(Status.QUEUED, has_lease(lease)).values(not_before=not_before, **_NO_LEASE)
    return _enqueue(connection, statement)


def requeue(connection: Connection, lease: Lease, *, now: datetime) -> bool:
    """Return the job to the queue because the worker shuts down; the attempt does not count."""
    statement = move(Status.QUEUED, has_lease(lease)).values(not_before=now, attempts=job.c.attempts - 1, **_NO_LEASE)
    return _enqueue(connection, statement)


def make_due(connection: Connection, *, now: datetime, horizon: timedelta) -> int:
    """Make jobs due that would wait longer than ``horizon``: the clock was set back since. Return their number."""
    waits = and_(has_status({Status.QUEUED}), job.c.not_before > now + horizon)
    return connection.execute(update(job).where(waits).values(not_before=now)).rowcount


def cancel(connection: Connection, job_id: str, *, tenant: str, now: datetime) -> Job | None:
    """Cancel an open job. A running attempt loses its lease."""
    statement = move(Status.CANCELLED, and_(job.c.id == job_id, job.c.tenant == tenant)).values(
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
        .where(job.c.id == job_id, has_status({Status.FAILED}))
        .values(
            status=Status.QUEUED,
            not_before=now,
            attempts=0,
            report_version=None,
            lake_versions=null(),
            notices=null(),
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
    is_retained = and_(has_status({Status.SUCCEEDED}), job.c.expires_at > now)
    statement = update(job).where(job.c.id == job_id, or_(has_status(OPEN), is_retained))
    row = connection.execute(
        statement.values(
            held_at=func.coalesce(job.c.held_at, literal(now, Instant())),
            held_by=None if by is None else case((job.c.held_at.is_(None), by), else_=job.c.held_by),
        ).returning(job)
    ).one_or_none()
    return None if row is None else job_from_row(row)


def release(connection: Connection, job_id: str, *, of: str | None = None) -> Job | None:
    """Release a hold; with ``of``, only one of that holder. Return None if the job is not so held."""
    statement = update(job).where(job.c.id == job_id, job.c.held_at.is_not(None)).values(held_at=None, held_by=None)
    if of is not None:
        statement = statement.where(job.c.held_by == of)
    row = connection.execute(statement.returning(job)).one_or_none()
    return None if row is None else job_from_row(row)


def extend_retention(connection: Connection, job_id: str, *, now: datetime, expires_at: datetime) -> Job | None:
    """Keep the file of a published job until ``expires_at``. Return None if its removal may have begun."""
    is_retained = and_(has_status({Status.SUCCEEDED}), job.c.expires_at > now)
    statement = update(job).where(job.c.id == job_id, is_retained).values(expires_at=expires_at)
    row = connection.execute(statement.returning(job)).one_or_none()
    return None if row is None else job_from_row(row)


def expire(connection: Connection, job_id: str) -> bool:
    """Move the job to expired: its artifact was removed because the retention is over."""
    return _remove_file(connection, move(Status.EXPIRED, job.c.id == job_id))


def end_retention(connection: Connection, job_id: str, *, now: datetime) -> bool:
    """End the retention of a published artifact now, unless it has ended. Return False if the job is held.

    Afterwards the artifact has no links and cannot be held, and maintenance removes the file if the caller does not.
    """
    ends_at = case((job.c.expires_at < now, job.c.expires_at), else_=literal(now, Instant()))
    statement = update(job).where(job.c.id == job_id, has_status({Status.SUCCEEDED}), job.c.held_at.is_(None))
    statement = statement.values(expires_at=ends_at)
    return connection.execute(statement).rowcount == 1


def delete(connection: Connection, job_id: str) -> bool:
    """Move the job to deleted; its artifact, if any, was removed. The job's record stays."""
    if _remove_file(connection, move(Status.DELETED, and_(job.c.id == job_id, job.c.artifact_key.is_not(None)))):
        return True
    return connection.execute(move(Status.DELETED, job.c.id == job_id)).rowcount == 1


def erase(connection: Connection, job_id: str, failure: Failure) -> bool:
    """Move a published job to deleted, with the reason: its artifact was removed because it may hold a person."""
    statement = move(Status.DELETED, and_(job.c.id == job_id, job.c.artifact_key.is_not(None)))
    return _remove_file(connection, statement.values(failure_code=failure.code, failure_message=failure.message))


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
