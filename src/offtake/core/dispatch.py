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

_BATCH_SIZE = 1000  # jobs


def enqueue(connection: Connection, job: Job, kind: outbox.MessageKind, on: Services, *, now: datetime) -> None:
    """Write a message about the job to the outbox, if an engine dispatches jobs."""
    if on.dispatches:
        outbox.add(connection, job, kind, now=now)


def redispatch(on: Services, *, min_age: timedelta) -> int:
    """Re-dispatch one batch of queued jobs that have been due for at least ``min_age``. Return their number.

    The engine has lost their messages, or they were created while no engine dispatched jobs.
    """
    with on.database.write() as connection:
        now = on.now(connection)
        return outbox.add_overdue(connection, due_by=now - min_age, now=now, limit=_BATCH_SIZE)
