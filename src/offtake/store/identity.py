"""Statements on tenants, credentials, keys, assertions and tokens. Secrets are passed as hashes only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, null, select, update
from sqlalchemy.exc import IntegrityError

from offtake.model.tenant import (
    ALL_DATA,
    NO_OPTIONS,
    Credential,
    CredentialKind,
    DataAccess,
    Options,
    Principal,
    PublicKey,
    Scope,
    Tenant,
    Token,
    TokenKind,
)
from offtake.store.point_reads import PointRead
from offtake.store.schema import NUL, assertion, audit, credential, credential_key, tenant, token

# Built once, because every request executes them.
IS_ACTIVE = (credential.c.id == bindparam("credential_id"), credential.c.revoked.is_(False))
PRINCIPAL_COLUMNS = (
    *(token.c.tenant, token.c.credential, token.c.scopes),
    *(credential.c.name, credential.c.generation, credential.c.reports, credential.c.personal, credential.c.shares),
)
TOKENS = token.join(credential, credential.c.id == token.c.credential)
IS_PRINCIPAL = (
    token.c.hash == bindparam("hash_"),
    token.c.expires_at > bindparam("now"),
    credential.c.revoked.is_(False),
    token.c.kind != TokenKind.REFRESH,
)
_ACTIVE = PointRead(credential.c, source=credential, where=IS_ACTIVE)
_PRINCIPAL = PointRead(PRINCIPAL_COLUMNS, source=TOKENS, where=IS_PRINCIPAL)


def add_tenant(connection: Connection, new: Tenant, *, now: datetime) -> None:
    """Insert a tenant. The caller has checked that the name is unused.

    Entries of the audit log about an earlier tenant of that name are not the new one's.
    """
    earlier = select(func.max(audit.c.id)).where(audit.c.tenant == new.name).scalar_subquery()
    connection.execute(
        insert(tenant).values(
            name=new.name,
            zone=new.zone,
            company_key=new.company_key,
            created_at=now,
            is_verified=new.is_verified,
            audit_after=earlier,
        )
    )


def change_tenant(connection: Connection, changed: Tenant) -> None:
    """Store company key, zone, verification and options of a tenant. The caller has checked the key."""
    statement = update(tenant).where(tenant.c.name == changed.name)
    connection.execute(
        statement.values(
            zone=changed.zone,
            company_key=changed.company_key,
            is_verified=changed.is_verified,
            options={table: dict(values) for table, values in changed.options.items()} or null(),
        )
    )


def tenants(connection: Connection) -> Sequence[Tenant]:
    """Return all tenants, sorted by name, those that are being removed included."""
    return [_tenant(row) for row in connection.execute(select(tenant).order_by(tenant.c.name))]


def tenant_options(connection: Connection) -> dict[str, Options]:
    """Return the options of each tenant that has any of its own."""
    statement = select(tenant.c.name, tenant.c.options).where(tenant.c.options.is_not(None))
    return {row.name: row.options for row in connection.execute(statement) if row.options}


def get_tenant(connection: Connection, name: str) -> Tenant | None:
    """Return the tenant with that name."""
    row = connection.execute(select(tenant).where(tenant.c.name == name)).one_or_none()
    return None if row is None else _tenant(row)


def company_key_taken(connection: Connection, company_key: str) -> bool:
    """Whether a tenant has that company key."""
    return (
        connection.execute(select(tenant.c.name).where(tenant.c.company_key == company_key)).one_or_none() is not None
    )


def add_credential(connection: Connection, new: Credential) -> bool:
    """Insert a credential. Return False if the tenant has an active password credential of that user."""
    statement = insert(credential).values(
        id=new.id,
        tenant=new.tenant,
        kind=new.kind,
        user=new.user,
        name=new.name,
        secret_hash=new.secret_hash,
        scopes=_to_text(new.scopes),
        reports=None if new.access.reports is None else " ".join(new.access.reports),
        personal=new.access.personal,
        shares=None if new.access.shares is None else " ".join(new.access.shares),
        created_at=new.created_at,
        expires_at=new.expires_at,
    )
    try:
        connection.execute(statement)
    except IntegrityError:
        return False
    return True


def rotate_secret(connection: Connection, credential_id: str, new_hash: str, *, previous_until: datetime) -> None:
    """Replace the secret of a credential. The present secret becomes the previous one; an earlier previous one ends."""
    statement = update(credential).where(credential.c.id == credential_id)
    connection.execute(
        statement.values(
            previous_hash=credential.c.secret_hash,
            previous_until=previous_until,
            secret_hash=new_hash,
            generation=credential.c.generation + 1,
        )
    )


def delete_tokens(connection: Connection, credential_id: str) -> None:
    """Delete all tokens of a credential."""
    connection.execute(delete(token).where(token.c.credential == credential_id))


def get_credential(connection: Connection, credential_id: str) -> Credential | None:
    """Return the credential with that id, unless it is revoked."""
    if NUL in credential_id:
        return None
    found = _ACTIVE.first(connection, {"credential_id": credential_id})
    return None if found is None else credential_from_row(found[0])


def credentials_of_user(connection: Connection, user: str) -> Sequence[Credential]:
    """Return the active password credentials of that user name, of all tenants."""
    if NUL in user:
        return ()
    statement = (
        select(credential)
        .where(credential.c.user == user, credential.c.kind == CredentialKind.BASIC, credential.c.revoked.is_(False))
        .order_by(credential.c.id)
    )
    return [credential_from_row(row) for row in connection.execute(statement)]


def credentials_of(connection: Connection, tenant_name: str) -> Sequence[Credential]:
    """Return the tenant's active credentials, oldest first."""
    statement = select(credential).where(credential.c.tenant == tenant_name, credential.c.revoked.is_(False))
    return [credential_from_row(row) for row in connection.execute(statement.order_by(credential.c.created_at))]


def revoke_credential(connection: Connection, credential_id: str) -> bool:
    """Revoke a credential and delete its tokens. Return False if there is no active credential with that id."""
    statement = update(credential).where(credential.c.id == credential_id, credential.c.revoked.is_(False))
    if connection.execute(statement.values(revoked=True)).rowcount == 0:
        return False
    delete_tokens(connection, credential_id)
    return True


def add_key(connection: Connection, key: PublicKey, *, now: datetime) -> None:
    """Insert a key. The caller has checked that its name is unused."""
    connection.execute(
        insert(credential_key).values(credential=key.credential, kid=key.kid, public_key=key.pem, created_at=now)
    )


def get_key(connection: Connection, credential_id: str, kid: str) -> PublicKey | None:
    """Return the credential's key with that name."""
    if NUL in credential_id or NUL in kid:  # both come from an assertion before it is verified
        return None
    statement = select(credential_key).where(credential_key.c.credential == credential_id, credential_key.c.kid == kid)
    row = connection.execute(statement).one_or_none()
    return None if row is None else PublicKey(credential=row.credential, kid=row.kid, pem=row.public_key)


def key_names(connection: Connection, credential_id: str) -> Sequence[str]:
    """Return the names of a credential's keys."""
    statement = select(credential_key.c.kid).where(credential_key.c.credential == credential_id)
    return connection.execute(statement.order_by(credential_key.c.kid)).scalars().all()


def remove_key(connection: Connection, credential_id: str, kid: str) -> bool:
    """Delete a key. Return False if there is none with that name."""
    statement = delete(credential_key).where(credential_key.c.credential == credential_id, credential_key.c.kid == kid)
    return connection.execute(statement).rowcount == 1


def use_assertion(connection: Connection, credential_id: str, jti: str, *, now: datetime, expires_at: datetime) -> bool:
    """Record the use of an assertion. Return False if it was used before. Also deletes expired records."""
    connection.execute(delete(assertion).where(assertion.c.expires_at < now))
    try:
        connection.execute(insert(assertion).values(credential=credential_id, jti=jti, expires_at=expires_at))
    except IntegrityError:
        return False
    return True


def live_tokens(connection: Connection, credential_id: str, *, now: datetime) -> tuple[int, datetime | None]:
    """Return the number of a credential's unexpired tokens of any kind, and when the next one expires."""
    columns = select(func.count(), func.min(token.c.expires_at))
    row = connection.execute(columns.where(token.c.credential == credential_id, token.c.expires_at > now)).one()
    return row[0], row[1]


def add_token(connection: Connection, new: Token) -> None:
    """Insert a token and delete expired ones, so that the table stays small."""
    connection.execute(delete(token).where(token.c.expires_at < new.created_at))
    connection.execute(
        insert(token).values(
            hash=new.hash,
            tenant=new.principal.tenant,
            credential=new.principal.credential,
            scopes=_to_text(new.principal.scopes),
            created_at=new.created_at,
            expires_at=new.expires_at,
            kind=new.kind,
            family=new.family,
        )
    )


def lock_credential(connection: Connection, credential_id: str) -> None:
    """Serialise changes of this credential's tokens until the transaction ends.

    Otherwise two transactions that delete the same family could deadlock. On SQLite the write lock has this effect.
    """
    statement = select(credential.c.id).where(credential.c.id == credential_id)
    connection.execute(statement.with_for_update(key_share=True)).one_or_none()


def get_token(connection: Connection, hash_: str, *, credential_id: str, now: datetime) -> Token | None:
    """Return the credential's unexpired token of any kind."""
    statement = select(token).where(
        token.c.hash == hash_, token.c.credential == credential_id, token.c.expires_at > now
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    return Token(
        hash=row.hash,
        kind=TokenKind(row.kind),
        principal=Principal(tenant=row.tenant, credential=row.credential, scopes=_from_text(row.scopes)),
        family=row.family,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def use_token(connection: Connection, hash_: str, *, now: datetime) -> bool:
    """Record the exchange of a refresh token. Return False if it was exchanged before or does not exist."""
    statement = update(token).where(token.c.hash == hash_, token.c.used_at.is_(None)).values(used_at=now)
    return connection.execute(statement).rowcount == 1


def revoke_token(connection: Connection, revoked: Token) -> None:
    """Delete a token and its family."""
    condition = token.c.hash == revoked.hash if revoked.family is None else token.c.family == revoked.family
    connection.execute(delete(token).where(condition))


def principal_of(connection: Connection, hash_: str, *, now: datetime) -> Principal | None:
    """Return the principal of an unexpired access or service token whose credential is not revoked."""
    found = _PRINCIPAL.first(connection, {"hash_": hash_, "now": now})
    return None if found is None else principal_from_row(found[0])


def principal_from_row(row: Any) -> Principal:
    """Return the principal of a row of ``PRINCIPAL_COLUMNS``."""
    return Principal(
        tenant=row.tenant,
        credential=row.credential,
        scopes=_from_text(row.scopes),
        name=row.name,
        generation=row.generation,
        access=_access(row),
    )


def _tenant(row: Row[Any]) -> Tenant:
    return Tenant(
        name=row.name,
        zone=row.zone,
        company_key=row.company_key,
        created_at=row.created_at,
        is_verified=row.is_verified,
        options=row.options or NO_OPTIONS,
        removing_at=row.removing_at,
    )


def credential_from_row(row: Any) -> Credential:
    """Return the credential of a row."""
    return Credential(
        id=row.id,
        tenant=row.tenant,
        kind=CredentialKind(row.kind),
        user=row.user,
        name=row.name,
        secret_hash=row.secret_hash,
        previous_hash=row.previous_hash,
        previous_until=row.previous_until,
        generation=row.generation,
        scopes=_from_text(row.scopes),
        access=_access(row),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def _access(row: Any) -> DataAccess:
    if row.reports is None and row.personal and row.shares is None:
        return ALL_DATA  # most credentials: this runs for every request
    reports, shares = (None if text is None else tuple(text.split()) for text in (row.reports, row.shares))
    return DataAccess(reports=reports, personal=row.personal, shares=shares)


def _to_text(scopes: frozenset[Scope]) -> str:
    return " ".join(sorted(scopes))


def _from_text(text: str) -> frozenset[Scope]:
    return frozenset(Scope(word) for word in text.split())
