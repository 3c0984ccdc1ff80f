"""Requests counted by principal, dialect and operation, in windows that begin with the first request in them.

One row each, so that all nodes of an installation count together and the table stays as small as the number of
credentials.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, case, literal

from offtake.model.tenant import Principal
from offtake.store.inserts import insert_into
from offtake.store.schema import Instant, rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A request's number in its window, and when that began."""

    number: int
    began_at: datetime


def count(
    connection: Connection, principal: Principal, what: tuple[str, str], *, now: datetime, period: timedelta
) -> Counted:
    """Count one request of a dialect and operation: in the present window, or as the first of a new one."""
    dialect, operation = what
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
    return Counted(number=row.requests, began_at=row.began_at)
