"""Statements on idempotency keys, with which a client repeats a create request without creating a second job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select

from offtake.store.schema import idempotency


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An idempotency key, unique per tenant, dialect and ``owner`` of the jobs."""

    tenant: str
    dialect: str
    owner: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """The request digest and the job of a key's last use."""

    digest: str
    job: str


def find(connection: Connection, key: Key) -> KeyUse | None:
    """Return the key's last use.

    Call it in the transaction that calls ``use``, with the tenant locked, so that no concurrent request intervenes.
    """
    statement = select(idempotency.c.digest, idempotency.c.job).where(_matches(key))
    row = connection.execute(statement).one_or_none()
    return None if row is None else KeyUse(digest=row.digest, job=row.job)


def use(connection: Connection, key: Key, used: KeyUse, *, now: datetime) -> None:
    """Assign the key to the job, replacing an earlier assignment."""
    connection.execute(delete(idempotency).where(_matches(key)))
    connection.execute(
        insert(idempotency).values(
            tenant=key.tenant,
            dialect=key.dialect,
            owner=key.owner,
            key=key.text,
            digest=used.digest,
            job=used.job,
            created_at=now,
        )
    )


def _matches(key: Key) -> ColumnElement[bool]:
    return and_(
        idempotency.c.tenant == key.tenant,
        idempotency.c.dialect == key.dialect,
        idempotency.c.owner == key.owner,
        idempotency.c.key == key.text,
    )
