"""Statements about shared tables, the exports that were created for them, and their versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from offtake.model.job import SHARED_TABLE, Job, Status
from offtake.model.shared_table import SharedTable, SharedVersion, TableName
from offtake.store.records import job_from_row
from offtake.store.schema import NUL, job, shared_export, shared_table


def add(connection: Connection, new: SharedTable) -> bool:
    """Insert a table. Return False if the tenant has a table of that name."""
    statement = insert(shared_table).values(
        id=new.id,
        tenant=new.tenant,
        share=new.name.share,
        schema=new.name.schema,
        table_name=new.name.table,
        report=new.report,
        body=dict(new.body),
        personal=new.personal,
        created_at=new.created_at,
        versions=0,
    )
    try:
        connection.execute(statement)
    except IntegrityError:
        return False
    return True


def of_tenant(connection: Connection, tenant: str, *, share: str | None = None) -> Sequence[SharedTable]:
    """Return the tenant's tables sorted by name, or those of one share."""
    if share is not None and NUL in share:
        return ()
    statement = select(shared_table).where(shared_table.c.tenant == tenant)
    if share is not None:
        statement = statement.where(shared_table.c.share == share)
    tables = [_table(row) for row in connection.execute(statement)]
    return sorted(tables, key=lambda table: (table.name.share, table.name.schema, table.name.table))


def get(connection: Connection, tenant: str, name: TableName) -> SharedTable | None:
    """Return the tenant's table of that name."""
    if any(NUL in part for part in (name.share, name.schema, name.table)):
        return None
    statement = select(shared_table).where(
        shared_table.c.tenant == tenant,
        shared_table.c.share == name.share,
        shared_table.c.schema == name.schema,
        shared_table.c.table_name == name.table,
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else _table(row)


def remove(connection: Connection, table_id: str) -> None:
    """Delete a table, and forget the exports that were created for it."""
    connection.execute(delete(shared_export).where(shared_export.c.shared_table == table_id))
    connection.execute(delete(shared_table).where(shared_table.c.id == table_id))


def add_export(connection: Connection, table_id: str, job_id: str, *, now: datetime) -> None:
    """Record that an export was created for a table."""
    connection.execute(insert(shared_export).values(job=job_id, shared_table=table_id, created_at=now))


def latest_export(connection: Connection, table_id: str) -> Job | None:
    """Return the export that was created last for a table."""
    statement = (
        select(job)
        .join(shared_export, shared_export.c.job == job.c.id)
        .where(shared_export.c.shared_table == table_id)
        .order_by(shared_export.c.created_at.desc(), job.c.id)
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else job_from_row(row)


def number_version(connection: Connection, job_id: str, *, now: datetime) -> str | None:
    """Make a published export the next version of the table that it was created for; return the table's id.

    Return None if it was created for no table, or before an export that is a version already: no version is older than
    the one before it.
    """
    found = connection.execute(select(shared_export).where(shared_export.c.job == job_id)).one_or_none()
    if found is None:
        return None
    table_id: str = found.shared_table
    is_table = shared_table.c.id == table_id
    # The row is locked before the versions are read, so that two exports cannot get one number.
    locked = select(shared_table.c.versions).where(is_table).with_for_update()
    number = connection.execute(locked).scalar_one_or_none()
    if number is None:  # the table is being removed
        return None
    is_version = and_(shared_export.c.shared_table == table_id, shared_export.c.number.is_not(None))
    newest = connection.execute(select(func.max(shared_export.c.created_at)).where(is_version)).scalar_one()
    if newest is not None and newest > found.created_at:
        return None
    statement = update(shared_export).where(shared_export.c.job == job_id)
    connection.execute(statement.values(number=number, published_at=now))
    connection.execute(update(shared_table).where(is_table).values(versions=number + 1))
    return table_id


def retire(connection: Connection, table_id: str, *, until: datetime, but: str | None = None) -> None:
    """Release the versions of a table, all but one, and let their files expire at ``until`` at the latest."""
    of_table = select(shared_export.c.job).where(shared_export.c.shared_table == table_id)
    if but is not None:
        of_table = of_table.where(shared_export.c.job != but)
    is_held = and_(job.c.id.in_(of_table), job.c.held_by == SHARED_TABLE)
    connection.execute(update(job).where(is_held).values(held_at=None, held_by=None))
    is_kept = and_(job.c.id.in_(of_table), job.c.status == Status.SUCCEEDED, job.c.expires_at > until)
    connection.execute(update(job).where(is_kept).values(expires_at=until))


def versions(connection: Connection, table_id: str, *, now: datetime) -> Sequence[SharedVersion]:
    """Return the versions of a table whose files are available, oldest first."""
    statement = (
        select(shared_export.c.number, shared_export.c.job, shared_export.c.published_at)
        .join(job, job.c.id == shared_export.c.job)
        .where(
            shared_export.c.shared_table == table_id,
            shared_export.c.number.is_not(None),
            job.c.artifact_key.is_not(None),
            job.c.expires_at > now,
        )
        .order_by(shared_export.c.number)
    )
    return [
        SharedVersion(number=row.number, job=row.job, published_at=row.published_at)
        for row in connection.execute(statement)
    ]


def _table(row: Row[Any]) -> SharedTable:
    return SharedTable(
        id=row.id,
        tenant=row.tenant,
        name=TableName(share=row.share, schema=row.schema, table=row.table_name),
        report=row.report,
        body=row.body,
        personal=row.personal,
        created_at=row.created_at,
    )
