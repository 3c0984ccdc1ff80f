"""Statements on the audit log. Rows are only inserted, never updated or deleted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import SQLAlchemyError

from offtake.errors import AuditUnavailable
from offtake.model.audit import AuditEntry, AuditRow
from offtake.store.schema import audit

_RETRY_SECONDS = 5


def record(connection: Connection, entry: AuditEntry, *, now: datetime) -> None:
    """Write an entry in the transaction of the operation that it records.

    Raises AuditUnavailable; the operation is then rolled back, too.
    """
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
        message = (
            "The operation could not be recorded in the audit log, so it was not carried out; "
            f"retry after {_RETRY_SECONDS} seconds."
        )
        raise AuditUnavailable(message, retry_after=_RETRY_SECONDS) from error


def entries(
    connection: Connection, *, tenant: str, start: datetime, end: datetime, batch_size: int = 5_000
) -> Iterator[AuditRow]:
    """Yield a tenant's entries in ``[start, end)``, oldest first, with at most ``batch_size`` rows in memory."""
    statement = (
        select(audit)
        .where(audit.c.tenant == tenant, audit.c.at >= start, audit.c.at < end)
        .order_by(audit.c.at, audit.c.id)
        .execution_options(yield_per=batch_size)
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
