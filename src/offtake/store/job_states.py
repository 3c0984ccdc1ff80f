"""Statements that read the states of jobs which clients wait for."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, literal, literal_column, or_, select

from offtake.model.job import Job, Status
from offtake.store.schema import Instant, job, later

_QUEUED = job.c.status == literal_column(f"'{Status.QUEUED}'")  # a literal, so that SQLite uses the partial index


class JobState(NamedTuple):
    """What changes while a job is not final."""

    status: str
    fence: int
    phase: str | None
    rows: int | None


def read(connection: Connection, ids: Collection[str]) -> dict[str, JobState]:
    """Return the states of those jobs that exist, by id."""
    columns = select(job.c.id, job.c.status, job.c.fence, job.c.phase, job.c.rows_so_far)
    rows = connection.execute(columns.where(job.c.id.in_(ids)))
    return {row.id: JobState(row.status, row.fence, row.phase, row.rows_so_far) for row in rows}


def count_before(connection: Connection, queued: Job) -> int:
    """Return how many queued jobs of the same tenant come before a queued one (``job_claims.claim``)."""
    rank = later(job.c.created_at, job.c.estimated_seconds)
    own = literal(queued.created_at + queued.estimated_duration, Instant())
    is_before = or_(rank < own, and_(rank == own, job.c.id < queued.id))
    statement = select(func.count()).select_from(job).where(job.c.tenant == queued.tenant, _QUEUED, is_before)
    return int(connection.execute(statement).scalar_one())
