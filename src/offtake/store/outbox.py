"""The transactional outbox: messages about jobs, written with the change of the job, deleted when acknowledged.

Delivery is at least once: a relay that ends between ``claim`` and ``acknowledge`` leaves the message to the next claim.
The consumer must accept a message about a job twice, and about a job that has ended.
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


class MessageKind(StrEnum):
    """What is to be told."""

    START = "start"  # the job waits for a worker
    CANCEL = "cancel"  # the job was cancelled: nobody needs to wait for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing to tell of one job."""

    job: str
    kind: MessageKind
    tenant: str
    tries: int  # how often it was taken, this time included


def add(connection: Connection, of: Job, kind: MessageKind, *, now: datetime) -> None:
    """Have it told. What is waiting to be told already is not doubled."""
    statement = _INSERT[connection.dialect.name](outbox).values(
        job=of.id, kind=kind, tenant=of.tenant, created_at=now, not_before=now, tries=0
    )
    connection.execute(statement.on_conflict_do_nothing())


def add_overdue(connection: Connection, *, due_by: datetime, now: datetime, limit: int) -> int:
    """Have the engine told of queued jobs that could have run since ``due_by`` and that nothing is waiting to be told
    of, the oldest first. Returns how many."""
    waits = exists(null()).where(outbox.c.job == job.c.id, outbox.c.kind == literal(MessageKind.START))
    overdue = (
        select(
            job.c.id,
            literal(MessageKind.START),
            job.c.tenant,
            literal(now, Instant()),
            literal(now, Instant()),
            literal(0),
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


def claim(connection: Connection, *, now: datetime, again: datetime, limit: int) -> Sequence[Message]:
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
    claimed = [
        Message(job=row.job, kind=MessageKind(row.kind), tenant=row.tenant, tries=row.tries + 1)
        for row in connection.execute(due).all()
    ]
    for message in claimed:
        connection.execute(update(outbox).where(_is(message)).values(not_before=again, tries=message.tries))
    return claimed


def acknowledge(connection: Connection, message: Message) -> None:
    """The engine knows."""
    connection.execute(delete(outbox).where(_is(message)))


def postpone(connection: Connection, message: Message, *, now: datetime, delay: timedelta) -> None:
    """The engine could not be told; try again later."""
    connection.execute(update(outbox).where(_is(message)).values(not_before=now + delay))


def _is(message: Message) -> ColumnElement[bool]:
    return and_(outbox.c.job == message.job, outbox.c.kind == message.kind)
