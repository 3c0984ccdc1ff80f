"""Statements on erasures of persons."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, null, select, update

from offtake.store.schema import Instant, erasure


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredErasure:
    """An erasure that has not finished. ``found`` is None once all rows are erased."""

    id: str
    subject: str
    started_at: datetime
    found: Mapping[str, Any] | None
    receipt: Mapping[str, Any]


def unfinished(connection: Connection, tenant: str, subjects: Collection[str]) -> StoredErasure | None:
    """Return the tenant's unfinished erasure of one of these subjects, which are keyed hashes."""
    statement = select(erasure).where(
        erasure.c.tenant == tenant, erasure.c.subject.in_(subjects), erasure.c.finished_at.is_(None)
    )
    row = connection.execute(statement.order_by(erasure.c.started_at).limit(1)).one_or_none()
    if row is None:
        return None
    return StoredErasure(
        id=row.id, subject=row.subject, started_at=row.started_at, found=row.found, receipt=row.receipt
    )


def latest(connection: Connection, tenant: str) -> datetime | None:
    """Return when the tenant's latest erasure began or, if it has finished, when it finished."""
    ends = select(func.max(func.coalesce(erasure.c.finished_at, erasure.c.started_at), type_=Instant()))
    found: datetime | None = connection.execute(ends.where(erasure.c.tenant == tenant)).scalar_one()
    return found


def start(connection: Connection, new: StoredErasure, *, tenant: str) -> None:
    """Record an erasure before anything is erased."""
    connection.execute(
        insert(erasure).values(
            id=new.id,
            tenant=tenant,
            subject=new.subject,
            started_at=new.started_at,
            found=new.found,
            receipt=dict(new.receipt),
        )
    )


def record(
    connection: Connection, erasure_id: str, *, found: Mapping[str, Any] | None, receipt: Mapping[str, Any]
) -> None:
    """Record what an erasure has found and done so far."""
    values = {"found": null() if found is None else dict(found), "receipt": dict(receipt)}
    connection.execute(update(erasure).where(erasure.c.id == erasure_id).values(values))


def finish(connection: Connection, erasure_id: str, *, receipt: Mapping[str, Any], now: datetime) -> None:
    """Record the end of an erasure."""
    statement = update(erasure).where(erasure.c.id == erasure_id)
    connection.execute(statement.values(finished_at=now, found=null(), receipt=dict(receipt)))
