"""Request counts by principal, dialect and operation, in windows that begin with their first request.

All nodes of an installation share the counts. There is one row per principal, dialect and operation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, case, literal, select

from offtake.model.tenant import Principal
from offtake.store.inserts import insert_into
from offtake.store.schema import Instant, rate


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowCount:
    """Number of requests in the window, and its start."""

    number: int
    began_at: datetime


def count(
    connection: Connection, principal: Principal, counted: tuple[str, str], *, now: datetime, period: timedelta
) -> WindowCount:
    """Count a request of (dialect, operation) in the current window, or as the first of a new one."""
    dialect, operation = counted
    is_over = rate.c.began_at <= literal(now - period, Instant())
    statement = insert_into(connection, rate).values(
        tenant=principal.tenant,
        principal=principal.credential,
        dialect=dialect,
        operation=operation,
        began_at=now,
        requests=1,
    )
    statement = statement.on_conflict_do_update(
        index_elements=list(rate.primary_key.columns),
        set_={
            "requests": case((is_over, 1), else_=rate.c.requests + 1),
            "began_at": case((is_over, literal(now, Instant())), else_=rate.c.began_at),
        },
    )
    row = connection.execute(statement.returning(rate.c.requests, rate.c.began_at)).one()
    return WindowCount(number=row.requests, began_at=row.began_at)


def last_count(connection: Connection, principal: Principal, counted: tuple[str, str]) -> WindowCount | None:
    """Return the count of (dialect, operation) as it was last stored; None if no request was counted."""
    dialect, operation = counted
    statement = select(rate.c.requests, rate.c.began_at).where(
        rate.c.tenant == principal.tenant,
        rate.c.principal == principal.credential,
        rate.c.dialect == dialect,
        rate.c.operation == operation,
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else WindowCount(number=row.requests, began_at=row.began_at)
