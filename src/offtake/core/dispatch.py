"""Telling an engine that spreads jobs over workers, where there is one: in the same transaction as the change itself.

The engine carries ids and nothing else; the job's row stays the truth. So a ring that comes twice, late or for nothing
changes nothing, and one that got lost is made good by ``redispatch``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from offtake.core.services import Services
from offtake.model.job import Job
from offtake.store import outbox

_AT_ONCE = 1000  # jobs that are rung for again in one go


def enqueue(connection: Connection, job: Job, kind: outbox.MessageKind, on: Services, *, now: datetime) -> None:
    """Have the engine told, if there is one."""
    if on.dispatches:
        outbox.add(connection, job, kind, now=now)


def redispatch(on: Services, *, patience: timedelta) -> int:
    """Ring once more for jobs that could have run for as long as ``patience`` and did not: the engine lost them, or
    they were made when there was none. Returns how many."""
    with on.database.write() as connection:
        now = on.now(connection)
        return outbox.add_overdue(connection, due_by=now - patience, now=now, limit=_AT_ONCE)
