"""Statements with which a worker leases a queued job.

If another process has moved the job first, no row is updated and the function returns None.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Subquery, and_, case, func, select

from offtake.model.job import LEASED, OPEN, Lease, Status
from offtake.store.job_conditions import has_status, may_start, move
from offtake.store.records import job_from_row
from offtake.store.schema import job, later
from offtake.store.wakeup import announce_move


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
        .where(may_start(waiting, now, longest))
        .order_by(turn.c.running, turn.c.served_at.nulls_first(), rank, waiting.c.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=waiting)
        .scalar_subquery()
    )
    return _lease(connection, job.c.id == candidate, worker=worker, now=now, until=until)


def claim_one(connection: Connection, job_id: str, *, worker: str, now: datetime, until: datetime) -> Lease | None:
    """Lease that job if it is queued and due."""
    condition = and_(job.c.id == job_id, job.c.not_before <= now)
    return _lease(connection, condition, worker=worker, now=now, until=until)


def _turns() -> Subquery:
    """Return the tenants with open jobs, their number of running jobs and the start of their latest attempt.

    It is grouped, so that the database evaluates it once per tenant and not once per job.
    """
    served = job.alias("served")
    last_served = select(func.max(served.c.started_at)).where(served.c.tenant == job.c.tenant).scalar_subquery()
    running = func.sum(case((has_status(LEASED), 1), else_=0))
    columns = select(job.c.tenant, running.label("running"), last_served.label("served_at"))
    return columns.where(has_status(OPEN)).group_by(job.c.tenant).subquery("turn")


def _lease(
    connection: Connection, condition: ColumnElement[bool], *, worker: str, now: datetime, until: datetime
) -> Lease | None:
    """Begin an attempt of the queued job that matches: next fence, one more attempt."""
    statement = move(Status.RUNNING, condition).values(
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
