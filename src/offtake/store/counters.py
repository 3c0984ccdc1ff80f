"""Counters in the database, updated in the transaction that ends an attempt or a job.

Counters are therefore exact when processes are killed, cover all workers of an installation and survive restarts. There
is one row per name, dialect and label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, literal_column, select

from offtake.model.job import OPEN, Status
from offtake.store.inserts import insert_into
from offtake.store.schema import counter, job


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterValue:
    """A counter or an increment of it; ``label`` distinguishes counters of one name, such as outcomes."""

    name: str
    dialect: str = ""
    label: str = ""
    value: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJobs:
    """Number of open jobs of a dialect in one state; ``due_at`` is the earliest due time."""

    dialect: str
    status: Status
    number: int
    due_at: datetime


# Literals, so that SQLite uses the partial index.
_IS_OPEN = job.c.status.in_([literal_column(f"'{status}'") for status in sorted(OPEN)])
OPEN_JOBS = (
    select(job.c.dialect, job.c.status, func.count().label("number"), func.min(job.c.not_before).label("due_at"))
    .where(_IS_OPEN)
    .group_by(job.c.dialect, job.c.status)
)


def add(connection: Connection, counters: Sequence[CounterValue]) -> None:
    """Add to the counters. Call it last in a transaction, because other transactions wait for these rows."""
    # All transactions lock the rows in the same order, which prevents deadlocks.
    increments = sorted(counters, key=lambda each: (each.name, each.dialect, each.label))
    if not increments:
        return
    statement = insert_into(connection, counter).values(
        [{"name": each.name, "dialect": each.dialect, "label": each.label, "value": each.value} for each in increments]
    )
    total = counter.c.value + statement.excluded.value
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(counter.primary_key.columns), set_={"value": total})
    )


def read(connection: Connection) -> Sequence[CounterValue]:
    """Return all counters."""
    rows = connection.execute(select(counter).order_by(counter.c.name, counter.c.dialect, counter.c.label))
    return [CounterValue(name=row.name, dialect=row.dialect, label=row.label, value=row.value) for row in rows]


def open_jobs(connection: Connection) -> Sequence[OpenJobs]:
    """Return the numbers of open jobs by dialect and state, read from the partial index of open jobs."""
    return [
        OpenJobs(dialect=row.dialect, status=Status(row.status), number=row.number, due_at=row.due_at)
        for row in connection.execute(OPEN_JOBS)
    ]
