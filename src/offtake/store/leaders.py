"""Leader leases: a role that one process holds at a time, one row per role.

Every statement is conditional on the row that it finds, so two processes never hold the same role. A holder that dies
stops renewing, and its lease runs out.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Select, delete, not_, or_, select

from offtake.store.inserts import insert_into
from offtake.store.schema import leader

MAINTENANCE = "maintenance"  # the role of the process that runs the maintenance tasks
LONGEST_LEASE = timedelta(seconds=15)
_HORIZON = timedelta(minutes=1)  # a lease that ends later was granted before the clock was set back


def is_held(connection: Connection, role: str, *, now: datetime) -> bool:
    """Whether a process holds the role. Takes no lock."""
    return connection.execute(_held(role, now)).first() is not None


def is_held_by_other(connection: Connection, role: str, holder: str, *, now: datetime) -> bool:
    """Whether a process other than ``holder`` holds the role. Takes no lock."""
    return connection.execute(_held(role, now).where(leader.c.holder != holder)).first() is not None


def hold(connection: Connection, role: str, holder: str, *, now: datetime, until: datetime) -> bool:
    """Take or renew the lease of a role. False when another process holds it."""
    statement = insert_into(connection, leader).values(role=role, holder=holder, lease_until=until)
    taken = statement.on_conflict_do_update(
        index_elements=[leader.c.role],
        set_={"holder": holder, "lease_until": until},
        where=or_(leader.c.holder == holder, _is_over(now)),
    ).returning(leader.c.role)
    return connection.execute(taken).first() is not None


def release(connection: Connection, holder: str) -> None:
    """Give up every role of that holder."""
    connection.execute(delete(leader).where(leader.c.holder == holder))


def _held(role: str, now: datetime) -> Select[tuple[str]]:
    return select(leader.c.role).where(leader.c.role == role, not_(_is_over(now)))


def _is_over(now: datetime) -> ColumnElement[bool]:
    return or_(leader.c.lease_until < now, leader.c.lease_until > now + _HORIZON)
