"""Sums of what was done, kept where it is decided: in the transaction that ends an attempt or a job.

So a figure is exact whoever was killed when, counts all workers of an installation wherever they run, and outlives
them. Rows are as many as there are names, dialects and outcomes; nothing else grows.
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
    """One sum; ``kind`` says of what, within the figures of that name."""

    name: str
    dialect: str = ""
    kind: str = ""
    value: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJobs:
    """Jobs of a dialect that have not ended, in one state; ``due_at`` is when the first of them could have run."""

    dialect: str
    status: Status
    number: int
    due_at: datetime


# Literals, so that SQLite can prove that the partial index fits.
_UNFINISHED = job.c.status.in_([literal_column(f"'{status}'") for status in sorted(OPEN)])
OPEN_JOBS = (
    select(job.c.dialect, job.c.status, func.count().label("number"), func.min(job.c.not_before).label("due_at"))
    .where(_UNFINISHED)
    .group_by(job.c.dialect, job.c.status)
)


def add(connection: Connection, counters: Sequence[CounterValue]) -> None:
    """Add to the sums. Let it be the transaction's last statement: others wait for these rows."""
    # All transactions take the rows in the same order, so that no two wait for each other.
    ordered = sorted(counters, key=lambda one: (one.name, one.dialect, one.kind))
    if not ordered:
        return
    statement = insert_into(connection, counter).values(
        [{"name": one.name, "dialect": one.dialect, "kind": one.kind, "value": one.value} for one in ordered]
    )
    total = counter.c.value + statement.excluded.value
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(counter.primary_key.columns), set_={"value": total})
    )


def read(connection: Connection) -> Sequence[CounterValue]:
    """All sums."""
    rows = connection.execute(select(counter).order_by(counter.c.name, counter.c.dialect, counter.c.kind))
    return [CounterValue(name=row.name, dialect=row.dialect, kind=row.kind, value=row.value) for row in rows]


def open_jobs(connection: Connection) -> Sequence[OpenJobs]:
    """How many jobs have not ended; the partial index of open jobs holds no others."""
    return [
        OpenJobs(dialect=row.dialect, status=Status(row.status), number=row.number, due_at=row.due_at)
        for row in connection.execute(OPEN_JOBS)
    ]
