"""Statements that remove a tenant. The audit log stays; messages in the outbox about deleted jobs are harmless."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, null, select, update

from offtake.model.job import OPEN, SHARED_TABLE, Status
from offtake.store.schema import audit, credential, job, load, metadata, outbox, tenant, token

_KEPT = frozenset({audit, outbox})


def open_jobs(connection: Connection, name: str) -> Sequence[str]:
    """Return the ids of the tenant's open jobs."""
    statement = select(job.c.id).where(job.c.tenant == name, job.c.status.in_(sorted(OPEN)))
    return connection.execute(statement.order_by(job.c.id)).scalars().all()


def held_jobs(connection: Connection, name: str) -> Sequence[str]:
    """Return the ids of the tenant's jobs on hold, without those that only a shared table holds."""
    is_held = and_(job.c.held_at.is_not(None), func.coalesce(job.c.held_by, "") != SHARED_TABLE)
    statement = select(job.c.id).where(job.c.tenant == name, is_held)
    return connection.execute(statement.order_by(job.c.id)).scalars().all()


def count_records(connection: Connection, name: str) -> dict[str, int]:
    """Return the number of the tenant's rows in each table of which any will be removed."""
    counts = {}
    for table in metadata.sorted_tables:
        condition = _belongs_to(table, name)
        if condition is not None:
            statement = select(func.count()).select_from(table).where(condition)
            counts[table.name] = connection.execute(statement).scalar_one()
    return {table: count for table, count in counts.items() if count}


def begin(connection: Connection, name: str, *, now: datetime) -> None:
    """Make the tenant unusable: no credential, token, link or company key of it is accepted any more.

    A load whose record is gone is not committed (``core/loads/record.py``).
    """
    connection.execute(delete(load).where(load.c.tenant == name))
    connection.execute(update(tenant).where(tenant.c.name == name).values(removing_at=now, company_key=null()))
    connection.execute(update(credential).where(credential.c.tenant == name).values(revoked=True))
    connection.execute(delete(token).where(token.c.tenant == name))
    published = job.c.status == Status.SUCCEEDED.value
    connection.execute(update(job).where(job.c.tenant == name, published).values(expires_at=now))


def job_ids(connection: Connection, name: str) -> frozenset[str]:
    """Return the ids of all jobs of the tenant."""
    return frozenset(connection.execute(select(job.c.id).where(job.c.tenant == name)).scalars())


def delete_jobs(connection: Connection, name: str, *, limit: int) -> int:
    """Delete at most ``limit`` jobs with everything that refers to them. Return their number."""
    statement = select(job.c.id).where(job.c.tenant == name).order_by(job.c.id).limit(limit)
    ids = connection.execute(statement).scalars().all()
    for table in reversed(metadata.sorted_tables):
        for key in table.foreign_keys:
            if key.column is job.c.id:
                connection.execute(delete(table).where(key.parent.in_(ids)))
    connection.execute(delete(job).where(job.c.id.in_(ids)))
    return len(ids)


def delete_tenant(connection: Connection, name: str) -> None:
    """Delete all remaining rows of the tenant, and the tenant."""
    for table in reversed(metadata.sorted_tables):
        condition = _belongs_to(table, name)
        if condition is not None:
            connection.execute(delete(table).where(condition))
    connection.execute(delete(tenant).where(tenant.c.name == name))


def _belongs_to(table: Table, name: str) -> ColumnElement[bool] | None:
    """Return the condition on the tenant's rows: the table names the tenant, or a table that it refers to does."""
    if table in _KEPT or table is tenant:
        return None
    if "tenant" in table.c:
        return table.c.tenant == name
    for key in sorted(table.foreign_keys, key=lambda each: each.parent.name):
        condition = _belongs_to(key.column.table, name)
        if condition is not None:
            return key.parent.in_(select(key.column).where(condition))
    return None
