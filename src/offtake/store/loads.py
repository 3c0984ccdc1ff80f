"""Statements on the records of loads. Each move is one statement that names the state it starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from offtake.model.load import LoadFilter, LoadKind, LoadRecord, LoadSource, LoadState, NewLoad
from offtake.store.schema import load


def add(connection: Connection, load_id: str, new: NewLoad, *, base_version: int | None, now: datetime) -> None:
    """Add the record of a change that begins."""
    connection.execute(
        insert(load).values(
            id=load_id,
            kind=new.kind.value,
            tenant=new.tenant,
            table_name=new.table,
            actor=new.actor,
            source=[{"name": each.name, "bytes": each.bytes} for each in new.source],
            mapping_digest=new.mapping_digest,
            undoes=new.undoes,
            state=LoadState.RUNNING.value,
            started_at=now,
            base_version=base_version,
            counts={},
            complete_until=None if new.completeness is None else new.completeness.until,
            lowers_completeness=new.completeness is not None and new.completeness.lowers,
        )
    )


def declare(connection: Connection, load_id: str, complete_until: datetime) -> None:
    """Record how far a running load declares its table to be complete; it is in force once the load is committed."""
    statement = update(load).where(load.c.id == load_id, load.c.state == LoadState.RUNNING.value)
    connection.execute(statement.values(complete_until=complete_until))


def get(connection: Connection, load_id: str) -> LoadRecord | None:
    """Return the record with that id."""
    row = connection.execute(select(load).where(load.c.id == load_id)).one_or_none()
    return None if row is None else _record(row)


def newest(connection: Connection, condition: LoadFilter, *, limit: int) -> Sequence[LoadRecord]:
    """Return the newest records that match."""
    statement = select(load).order_by(load.c.started_at.desc(), load.c.id.desc()).limit(limit)
    if condition.tenant is not None:
        statement = statement.where(load.c.tenant == condition.tenant)
    if condition.table is not None:
        statement = statement.where(load.c.table_name == condition.table)
    if condition.state is not None:
        statement = statement.where(load.c.state == condition.state.value)
    return [_record(row) for row in connection.execute(statement)]


def running(connection: Connection) -> Sequence[LoadRecord]:
    """Return the records of changes that have not ended, oldest first."""
    statement = select(load).where(load.c.state == LoadState.RUNNING.value).order_by(load.c.started_at, load.c.id)
    return [_record(row) for row in connection.execute(statement)]


def committed_since(connection: Connection, table: str, tenant: str, version: int) -> Sequence[LoadRecord]:
    """Return the records of a tenant's changes that were committed to a table in that version or a later one."""
    statement = (
        select(load)
        .where(load.c.table_name == table, load.c.tenant == tenant, load.c.version >= version)
        .order_by(load.c.version.desc())
    )
    return [_record(row) for row in connection.execute(statement)]


def commit(
    connection: Connection, load_id: str, *, version: int | None, counts: Mapping[str, int], now: datetime
) -> bool:
    """Record that a running change is committed. An undo also moves the load that it undoes, if a version was made.

    Return False if the record is not running.
    """
    statement = (
        update(load)
        .where(load.c.id == load_id, load.c.state == LoadState.RUNNING.value)
        .values(state=LoadState.COMMITTED.value, version=version, counts=dict(counts), finished_at=now)
        .returning(load.c.undoes)
    )
    row = connection.execute(statement).one_or_none()
    if row is not None and row.undoes is not None:
        connection.execute(
            update(load)
            .where(load.c.id == row.undoes, load.c.state == LoadState.COMMITTED.value)
            .values(state=LoadState.UNDONE.value, undone_by=load_id)
        )
    return row is not None


def fail(connection: Connection, load_id: str, *, failure: str, now: datetime) -> bool:
    """Record that a running change failed and changed nothing. Return False if the record is not running."""
    statement = (
        update(load)
        .where(load.c.id == load_id, load.c.state == LoadState.RUNNING.value)
        .values(state=LoadState.FAILED.value, failure=failure, finished_at=now)
    )
    return connection.execute(statement).rowcount > 0


def _record(row: Row[Any]) -> LoadRecord:
    return LoadRecord(
        id=row.id,
        kind=LoadKind(row.kind),
        tenant=row.tenant,
        table=row.table_name,
        actor=row.actor,
        source=tuple(LoadSource(name=each["name"], bytes=each["bytes"]) for each in row.source),
        mapping_digest=row.mapping_digest,
        undoes=row.undoes,
        undone_by=row.undone_by,
        state=LoadState(row.state),
        started_at=row.started_at,
        finished_at=row.finished_at,
        base_version=row.base_version,
        version=row.version,
        counts=dict(row.counts),
        failure=row.failure,
        complete_until=row.complete_until,
        lowers_completeness=bool(row.lowers_completeness),
    )
