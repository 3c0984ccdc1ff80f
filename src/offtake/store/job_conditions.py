"""Conditions on rows of the job table, and the statement of a move, which its readers and writers share."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, FromClause, Update, and_, literal_column, or_, true, update

from offtake.model.job import LEASED, JobFilter, Lease, Status, sources
from offtake.store.schema import job


def has_status(statuses: Collection[Status], of: FromClause = job) -> ColumnElement[bool]:
    """Whether the job is in one of the states. They are literals, so that SQLite uses the partial indexes."""
    literals: list[ColumnElement[str]] = [literal_column(f"'{status}'") for status in sorted(statuses)]
    return of.c.status == literals[0] if len(literals) == 1 else of.c.status.in_(literals)


def has_lease(lease: Lease) -> ColumnElement[bool]:
    """Whether the job still has the lease: it was neither cancelled nor leased again."""
    return and_(job.c.id == lease.job.id, job.c.fence == lease.fence, has_status(LEASED))


def may_start(waiting: FromClause, now: datetime, longest: timedelta | None) -> ColumnElement[bool]:
    """Whether a row is a queued job that is due, with an estimated duration of at most ``longest`` if one is given."""
    due = and_(has_status({Status.QUEUED}, waiting), waiting.c.not_before <= now)
    return due if longest is None else and_(due, waiting.c.estimated_seconds <= int(longest.total_seconds()))


def move(target: Status, condition: ColumnElement[bool]) -> Update:
    """Return an UPDATE of the jobs that match and are in a state that may move to ``target``."""
    return update(job).where(condition, has_status(sources(target))).values(status=target)


def matches(condition: JobFilter) -> ColumnElement[bool]:
    """Return the condition on the table of jobs."""
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
