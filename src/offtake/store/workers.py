"""Which workers are there: each says so again and again. One row a worker; who fell silent is forgotten."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from offtake.store.inserts import insert_into
from offtake.store.schema import worker


def heartbeat(connection: Connection, name: str, *, now: datetime) -> None:
    """That worker is alive."""
    statement = insert_into(connection, worker).values(name=name, seen_at=now)
    connection.execute(statement.on_conflict_do_update(index_elements=[worker.c.name], set_={"seen_at": now}))


def deregister(connection: Connection, name: str) -> None:
    """That worker is no more."""
    connection.execute(delete(worker).where(worker.c.name == name))


def count_alive(connection: Connection, *, since: datetime) -> int:
    """Workers that were alive at that instant or later."""
    return int(connection.execute(select(func.count()).where(worker.c.seen_at >= since)).scalar_one())


def forget_stale(connection: Connection, *, before: datetime) -> None:
    """Forget who has been silent since."""
    connection.execute(delete(worker).where(worker.c.seen_at < before))
