"""Statements on the audit log. Rows are only inserted; an erasure replaces persons in them (``subject_records.py``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select
from sqlalchemy.exc import SQLAlchemyError

from offtake.errors import AuditUnavailable
from offtake.model.audit import AuditEntry, AuditFilter, AuditRow
from offtake.store.schema import audit
from offtake.store.schema import tenant as tenants

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
        count=entry.count,
        actor=entry.actor,
        effective=entry.effective,
        report=entry.report,
        format=entry.format,
        column_count=entry.column_count,
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
    """Yield a tenant's entries in ``[start, end)``, oldest first, with at most ``batch_size`` rows in memory.

    Those of an earlier tenant of the same name are left out.
    """
    earlier = select(func.coalesce(tenants.c.audit_after, 0)).where(tenants.c.name == tenant).scalar_subquery()
    statement = (
        select(audit)
        .where(audit.c.tenant == tenant, audit.c.at >= start, audit.c.at < end, audit.c.id > func.coalesce(earlier, 0))
        .order_by(audit.c.at, audit.c.id)
        .execution_options(yield_per=batch_size)
    )
    for row in connection.execute(statement):
        yield _row(row)


def newest(connection: Connection, condition: AuditFilter, *, limit: int) -> Sequence[AuditRow]:
    """Return the newest entries that match, newest first."""
    statement = select(audit).order_by(audit.c.id.desc()).limit(limit)
    for column, value in ((audit.c.tenant, condition.tenant), (audit.c.outcome, condition.outcome)):
        if value is not None:
            statement = statement.where(column == value)
    if condition.operation is not None:
        in_group = audit.c.operation.startswith(f"{condition.operation}.", autoescape=True)
        statement = statement.where(or_(audit.c.operation == condition.operation, in_group))
    if condition.since is not None:
        statement = statement.where(audit.c.at >= condition.since)
    return [_row(row) for row in connection.execute(statement)]


def _row(row: Row[Any]) -> AuditRow:
    entry = AuditEntry(
        operation=row.operation,
        dialect=row.dialect,
        tenant=row.tenant,
        principal=row.principal,
        job=row.job,
        address=row.address,
        outcome=row.outcome,
        count=row._mapping["count"],
        actor=row.actor,
        effective=row.effective,
        report=row.report,
        format=row.format,
        column_count=row.column_count,
    )
    return AuditRow(happened_at=row.at, entry=entry)
