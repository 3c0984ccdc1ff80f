"""Statements on tenants, credentials and tokens. Secrets come here only as hashes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, delete, insert, select, update

from offtake.model.tenant import Credential, CredentialKind, Principal, Scope, Tenant
from offtake.store.schema import credential, tenant, token

# Built once, because every request runs it.
_PRINCIPAL = (
    select(token.c.tenant, token.c.credential, token.c.scopes)
    .join(credential, credential.c.id == token.c.credential)
    .where(token.c.hash == bindparam("hash_"), token.c.expires_at > bindparam("now"), credential.c.revoked.is_(False))
)


def add_tenant(connection: Connection, new: Tenant, *, now: datetime) -> None:
    """Insert a tenant; the caller has looked whether the name is free."""
    connection.execute(
        insert(tenant).values(
            name=new.name,
            zone=new.zone,
            company_key=new.company_key,
            created_at=now,
            is_verified=new.is_verified,
        )
    )


def set_verified(connection: Connection, name: str, *, is_verified: bool) -> bool:
    """Say whether a tenant's account was verified; False where there is no such tenant."""
    statement = update(tenant).where(tenant.c.name == name).values(is_verified=is_verified)
    return connection.execute(statement).rowcount == 1


def get_tenant(connection: Connection, name: str) -> Tenant | None:
    """The tenant of that name."""
    row = connection.execute(select(tenant).where(tenant.c.name == name)).one_or_none()
    return None if row is None else _tenant(row)


def company_key_taken(connection: Connection, company_key: str) -> bool:
    """Whether some tenant has that company key."""
    return (
        connection.execute(select(tenant.c.name).where(tenant.c.company_key == company_key)).one_or_none() is not None
    )


def add_credential(connection: Connection, new: Credential) -> None:
    """Insert a credential."""
    connection.execute(
        insert(credential).values(
            id=new.id,
            tenant=new.tenant,
            kind=new.kind,
            user=new.user,
            secret_hash=new.secret_hash,
            scopes=_to_text(new.scopes),
            created_at=new.created_at,
        )
    )


def get_credential(connection: Connection, credential_id: str) -> Credential | None:
    """The credential of that id, unless it was revoked."""
    statement = select(credential).where(credential.c.id == credential_id, credential.c.revoked.is_(False))
    row = connection.execute(statement).one_or_none()
    return None if row is None else _credential(row)


def credentials_of_user(
    connection: Connection, user: str, *, company_key: str | None, limit: int
) -> Sequence[Credential]:
    """Credentials with a password for that user name, not revoked; those of the tenant with that company key first."""
    statement = (
        select(credential)
        .join(tenant, tenant.c.name == credential.c.tenant)
        .where(credential.c.user == user, credential.c.kind == CredentialKind.BASIC, credential.c.revoked.is_(False))
        .order_by(case((tenant.c.company_key == company_key, 0), else_=1), credential.c.created_at, credential.c.id)
        .limit(limit)
    )
    return [_credential(row) for row in connection.execute(statement)]


def user_taken(connection: Connection, tenant_name: str, user: str) -> bool:
    """Whether the tenant has a password for that user name."""
    statement = select(credential.c.id).where(
        credential.c.tenant == tenant_name, credential.c.user == user, credential.c.kind == CredentialKind.BASIC
    )
    return connection.execute(statement).first() is not None


def add_token(connection: Connection, principal: Principal, *, hash_: str, now: datetime, expires_at: datetime) -> None:
    """Insert an access token, and drop those that ended: the table stays as small as its use."""
    connection.execute(delete(token).where(token.c.expires_at < now))
    connection.execute(
        insert(token).values(
            hash=hash_,
            tenant=principal.tenant,
            credential=principal.credential,
            scopes=_to_text(principal.scopes),
            created_at=now,
            expires_at=expires_at,
        )
    )


def principal_of(connection: Connection, hash_: str, *, now: datetime) -> Principal | None:
    """Who a token stands for, while it lasts and its credential is not revoked."""
    row = connection.execute(_PRINCIPAL, {"hash_": hash_, "now": now}).one_or_none()
    if row is None:
        return None
    return Principal(tenant=row.tenant, credential=row.credential, scopes=_from_text(row.scopes))


def _tenant(row: Row[Any]) -> Tenant:
    return Tenant(
        name=row.name,
        zone=row.zone,
        company_key=row.company_key,
        created_at=row.created_at,
        is_verified=row.is_verified,
    )


def _credential(row: Row[Any]) -> Credential:
    return Credential(
        id=row.id,
        tenant=row.tenant,
        kind=CredentialKind(row.kind),
        user=row.user,
        secret_hash=row.secret_hash,
        scopes=_from_text(row.scopes),
        created_at=row.created_at,
    )


def _to_text(scopes: frozenset[Scope]) -> str:
    return " ".join(sorted(scopes))


def _from_text(text: str) -> frozenset[Scope]:
    return frozenset(Scope(word) for word in text.split())
