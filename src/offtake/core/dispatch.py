"""Dispatch job ids to an engine (Temporal) through the transactional outbox.

A message carries the job's id only; state lives in the database. A duplicate, late or unnecessary message therefore has
no effect, and ``redispatch`` replaces a lost one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from offtake.core.services import Services
from offtake.model.job import Job
from offtake.store import outbox

_AT_ONCE = 1000  # jobs that are rung for again in one go


def enqueue(connection: Connection, job: Job, kind: outbox.MessageKind, on: Services, *, now: datetime) -> None:
    """Write a message about the job to the outbox, if an engine dispatches jobs."""
    if on.dispatches:
        outbox.add(connection, job, kind, now=now)


def redispatch(on: Services, *, patience: timedelta) -> int:
    """Ring once more for jobs that could have run for as long as ``patience`` and did not: the engine lost them, or
    they were made when there was none. Returns how many."""
    with on.database.write() as connection:
        now = on.now(connection)
        return outbox.add_overdue(connection, due_by=now - patience, now=now, limit=_AT_ONCE)
