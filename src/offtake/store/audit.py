"""The audit log: who did what, to which job, from where, when. Rows are only ever added."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert
from sqlalchemy.exc import SQLAlchemyError

from offtake.errors import AuditUnavailable
from offtake.model.audit import AuditEntry
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
    )
    try:
        connection.execute(statement)
    except SQLAlchemyError as error:
        message = "The operation could not be recorded in the audit log, so it was not carried out."
        raise AuditUnavailable(message, retry_after=_RETRY_AFTER) from error
