"""Keys by which a caller repeats an order without ordering twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select

from offtake.store.schema import idempotency


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key in the dialect of a tenant. ``owner`` is whom its jobs belong to: others may use the same text."""

    tenant: str
    dialect: str
    owner: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """What a key was used for last."""

    digest: str
    job: str


def find(connection: Connection, key: Key) -> KeyUse | None:
    """What that key stands for. Read in the transaction that uses it, with the tenant locked: no twin slips in."""
    statement = select(idempotency.c.digest, idempotency.c.job).where(_is(key))
    row = connection.execute(statement).one_or_none()
    return None if row is None else KeyUse(digest=row.digest, job=row.job)


def use(connection: Connection, key: Key, used: KeyUse, *, now: datetime) -> None:
    """Let the key stand for that job, and for no other any more, as long as the job table has it."""
    connection.execute(delete(idempotency).where(_is(key)))
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


def _is(key: Key) -> ColumnElement[bool]:
    return and_(
        idempotency.c.tenant == key.tenant,
        idempotency.c.dialect == key.dialect,
        idempotency.c.owner == key.owner,
        idempotency.c.key == key.text,
    )
