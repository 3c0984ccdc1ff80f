"""When each maintenance task runs next, so that a change of leader neither repeats a task nor forgets it.

A task without a row is due. The row changes when a run has ended, so the next leader repeats a run that its predecessor
did not finish.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from offtake.store.inserts import insert_into
from offtake.store.schema import maintenance_task

SWEEP = "sweep"  # requested when a lease was rescued: the lost attempt may have left files


def due_at(connection: Connection, name: str) -> datetime | None:
    """When the task is due; None before its first run."""
    found = select(maintenance_task.c.due_at).where(maintenance_task.c.name == name)
    instant: datetime | None = connection.execute(found).scalar_one_or_none()
    return instant


def request(connection: Connection, name: str, *, now: datetime) -> None:
    """Make the task due now. If it is running, it runs once more afterwards."""
    statement = insert_into(connection, maintenance_task).values(name=name, due_at=now)
    connection.execute(statement.on_conflict_do_update(index_elements=[maintenance_task.c.name], set_={"due_at": now}))


def reschedule(connection: Connection, name: str, *, seen: datetime | None, due_at: datetime) -> None:
    """Set when the task is due next, unless the row was changed since the run read it as ``seen``."""
    statement = insert_into(connection, maintenance_task).values(name=name, due_at=due_at)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[maintenance_task.c.name],
            set_={"due_at": due_at},
            where=maintenance_task.c.due_at == seen,
        )
    )
