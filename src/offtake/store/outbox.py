"""The transactional outbox: messages about jobs, written in the transaction of the job's change.

Delivery is at least once: if a relay ends between ``claim`` and ``acknowledge``, another claim returns the message. The
consumer must therefore accept duplicates and messages about jobs that have ended.
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

# SQLAlchemy provides ON CONFLICT in a separate module per database.
_INSERT: dict[str, Callable[[Table], postgresql.Insert | sqlite.Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}


class MessageKind(StrEnum):
    """Kind of a message."""

    START = "start"  # the job is queued
    CANCEL = "cancel"  # the job was cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message about one job."""

    job: str
    kind: MessageKind
    tenant: str
    tries: int  # number of claims, this one included


def add(connection: Connection, of: Job, kind: MessageKind, *, now: datetime) -> None:
    """Add a message, unless the same message is already in the outbox."""
    statement = _INSERT[connection.dialect.name](outbox).values(
        job=of.id, kind=kind, tenant=of.tenant, created_at=now, not_before=now, tries=0
    )
    connection.execute(statement.on_conflict_do_nothing())


def add_overdue(connection: Connection, *, due_by: datetime, now: datetime, limit: int) -> int:
    """Add start messages for queued jobs that have been due since ``due_by`` or before, oldest first.

    Jobs with a start message in the outbox are skipped. Returns the number of messages.
    """
    has_message = exists(null()).where(outbox.c.job == job.c.id, outbox.c.kind == literal(MessageKind.START))
    overdue = (
        select(
            job.c.id,
            literal(MessageKind.START),
            job.c.tenant,
            literal(now, Instant()),
            literal(now, Instant()),
            literal(0),
        )
        .where(job.c.status == literal_column(f"'{Status.QUEUED}'"), job.c.not_before <= due_by, ~has_message)
        .order_by(job.c.created_at)
        .limit(limit)
    )
    columns = ["job", "kind", "tenant", "created_at", "not_before", "tries"]
    statement = _INSERT[connection.dialect.name](outbox).from_select(columns, overdue)
    return len(connection.execute(statement.on_conflict_do_nothing().returning(outbox.c.job)).all())


def is_due(connection: Connection, *, now: datetime) -> bool:
    """Whether a message can be claimed; takes no lock."""
    return connection.execute(select(outbox.c.job).where(outbox.c.not_before <= now).limit(1)).first() is not None


def claim(connection: Connection, *, now: datetime, retry_at: datetime, limit: int) -> Sequence[Message]:
    """Claim due messages, oldest first. Until ``retry_at`` no other relay can claim them.

    The rows are locked with SKIP LOCKED, so that concurrent relays claim different messages.
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
        connection.execute(update(outbox).where(_matches(message)).values(not_before=retry_at, tries=message.tries))
    return claimed


def acknowledge(connection: Connection, message: Message) -> None:
    """Delete a delivered message."""
    connection.execute(delete(outbox).where(_matches(message)))


def postpone(connection: Connection, message: Message, *, now: datetime, delay: timedelta) -> None:
    """Make a message due again after ``delay``, because its delivery failed."""
    connection.execute(update(outbox).where(_matches(message)).values(not_before=now + delay))


def _matches(message: Message) -> ColumnElement[bool]:
    return and_(outbox.c.job == message.job, outbox.c.kind == message.kind)
