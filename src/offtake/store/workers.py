"""Statements on the worker registry: one row per worker with its last heartbeat."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from offtake.store.inserts import insert_into
from offtake.store.schema import worker


def heartbeat(connection: Connection, name: str, *, now: datetime) -> None:
    """Record a heartbeat of the worker."""
    statement = insert_into(connection, worker).values(name=name, seen_at=now)
    connection.execute(statement.on_conflict_do_update(index_elements=[worker.c.name], set_={"seen_at": now}))


def deregister(connection: Connection, name: str) -> None:
    """Remove the worker."""
    connection.execute(delete(worker).where(worker.c.name == name))


def count_alive(connection: Connection, *, since: datetime) -> int:
    """Return the number of workers with a heartbeat at or after ``since``."""
    return int(connection.execute(select(func.count()).where(worker.c.seen_at >= since)).scalar_one())


def forget_stale(connection: Connection, *, before: datetime) -> None:
    """Remove workers whose last heartbeat was before ``before``."""
    connection.execute(delete(worker).where(worker.c.seen_at < before))
