"""Keys by which a caller repeats an order without ordering twice: of a tenant, in a dialect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from offtake.model.job import Job
from offtake.store.schema import idempotency


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a key was used for first."""

    digest: str
    job: str


def find(connection: Connection, key: str, *, tenant: str, dialect: str) -> Used | None:
    """What that key stands for. Read in the transaction that adds it, with the tenant locked: no twin slips in."""
    statement = select(idempotency.c.digest, idempotency.c.job).where(
        idempotency.c.tenant == tenant, idempotency.c.dialect == dialect, idempotency.c.key == key
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else Used(digest=row.digest, job=row.job)


def add(connection: Connection, key: str, digest: str, *, job: Job, now: datetime) -> None:
    """Let the key stand for that job, as long as the job table has it."""
    connection.execute(
        insert(idempotency).values(
            tenant=job.tenant, dialect=job.request.dialect, key=key, digest=digest, job=job.id, created_at=now
        )
    )
