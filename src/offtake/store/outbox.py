"""What an engine is yet to be told of jobs: written in the transaction that changes the job, deleted once it was told.

A ring is told at least once: whoever takes it and dies before ``told`` leaves it to the next one, a while later. To
hear of a job twice, or of one that has ended, must be harmless to the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    exists,
    literal,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from offtake.model.job import Job, Status
from offtake.store.schema import Instant, job, outbox

# Both have the same clause under the same name, each in its own module.
_INSERT: dict[str, Callable[[Table], postgresql.Insert | sqlite.Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}


class Kind(StrEnum):
    """What is to be told."""

    START = "start"  # the job waits for a worker
    CANCEL = "cancel"  # the job was cancelled: nobody needs to wait for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """One thing to tell of one job."""

    job: str
    kind: Kind
    tenant: str
    tries: int  # how often it was taken, this time included


def add(connection: Connection, told_of: Job, kind: Kind, *, now: datetime) -> None:
    """Have it told. What is waiting to be told already is not doubled."""
    statement = _INSERT[connection.dialect.name](outbox).values(
        job=told_of.id, kind=kind, tenant=told_of.tenant, created_at=now, not_before=now, tries=0
    )
    connection.execute(statement.on_conflict_do_nothing())


def add_overdue(connection: Connection, *, due_by: datetime, now: datetime, limit: int) -> int:
    """Have the engine told of queued jobs that could have run since ``due_by`` and that nothing is waiting to be told
    of, the oldest first. Returns how many."""
    waits = exists(null()).where(outbox.c.job == job.c.id, outbox.c.kind == literal(Kind.START))
    overdue = (
        select(
            job.c.id, literal(Kind.START), job.c.tenant, literal(now, Instant()), literal(now, Instant()), literal(0)
        )
        .where(job.c.status == literal_column(f"'{Status.QUEUED}'"), job.c.not_before <= due_by, ~waits)
        .order_by(job.c.created_at)
        .limit(limit)
    )
    columns = ["job", "kind", "tenant", "created_at", "not_before", "tries"]
    statement = _INSERT[connection.dialect.name](outbox).from_select(columns, overdue)
    return len(connection.execute(statement.on_conflict_do_nothing().returning(outbox.c.job)).all())


def is_due(connection: Connection, *, now: datetime) -> bool:
    """Whether there is something to tell: a look that takes no lock."""
    return connection.execute(select(outbox.c.job).where(outbox.c.not_before <= now).limit(1)).first() is not None


def take(connection: Connection, *, now: datetime, again: datetime, limit: int) -> Sequence[Ring]:
    """Rings to tell now, the oldest first; until ``again`` nobody else gets them.

    They are locked before they are moved, so that of several who take at once each gets others.
    """
    due = (
        select(outbox.c.job, outbox.c.kind, outbox.c.tenant, outbox.c.tries)
        .where(outbox.c.not_before <= now)
        .order_by(outbox.c.created_at, outbox.c.job, outbox.c.kind)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = [
        Ring(job=row.job, kind=Kind(row.kind), tenant=row.tenant, tries=row.tries + 1)
        for row in connection.execute(due).all()
    ]
    for ring in taken:
        connection.execute(update(outbox).where(_is(ring)).values(not_before=again, tries=ring.tries))
    return taken


def told(connection: Connection, ring: Ring) -> None:
    """The engine knows."""
    connection.execute(delete(outbox).where(_is(ring)))


def postpone(connection: Connection, ring: Ring, *, now: datetime, delay: timedelta) -> None:
    """The engine could not be told; try again later."""
    connection.execute(update(outbox).where(_is(ring)).values(not_before=now + delay))


def _is(ring: Ring) -> ColumnElement[bool]:
    return and_(outbox.c.job == ring.job, outbox.c.kind == ring.kind)
