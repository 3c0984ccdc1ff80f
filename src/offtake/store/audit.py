"""The audit log: who did what, to which job, from where, when. Rows are only ever added."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import SQLAlchemyError

from offtake.errors import AuditUnavailable
from offtake.model.audit import AuditEntry, AuditRow
from offtake.store.schema import audit

_RETRY_AFTER = 5


def record(connection: Connection, entry: AuditEntry, *, now: datetime) -> None:
    """Write an entry in the transaction of what it speaks of: no record, no effect. Raises AuditUnavailable."""
    statement = insert(audit).values(
        at=now,
        tenant=entry.tenant,
        principal=entry.principal,
        operation=entry.operation,
        dialect=entry.dialect,
        job=entry.job,
        address=entry.address,
        outcome=entry.outcome,
        actor=entry.actor,
        effective=entry.effective,
    )
    try:
        connection.execute(statement)
    except SQLAlchemyError as error:
        message = "The operation could not be recorded in the audit log, so it was not carried out."
        raise AuditUnavailable(message, retry_after=_RETRY_AFTER) from error


def entries(
    connection: Connection, *, tenant: str, start: datetime, end: datetime, at_once: int = 5_000
) -> Iterator[AuditRow]:
    """What one tenant's log says of ``[start, end)``, oldest first; ``at_once`` rows are held in memory."""
    statement = (
        select(audit)
        .where(audit.c.tenant == tenant, audit.c.at >= start, audit.c.at < end)
        .order_by(audit.c.at, audit.c.id)
        .execution_options(yield_per=at_once)
    )
    for row in connection.execute(statement):
        entry = AuditEntry(
            operation=row.operation,
            dialect=row.dialect,
            tenant=row.tenant,
            principal=row.principal,
            job=row.job,
            address=row.address,
            outcome=row.outcome,
            actor=row.actor,
            effective=row.effective,
        )
        yield AuditRow(happened_at=row.at, entry=entry)
