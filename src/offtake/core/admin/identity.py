"""Administration of tenants, credentials and public keys by the operator.

``core.auth.client_auth`` authenticates clients; ``core.auth.tokens`` issues their tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from difflib import get_close_matches

from sqlalchemy import Connection

from offtake.core.auth.client_auth import hash_secret
from offtake.core.auth.public_keys import read_public_key
from offtake.core.services import Services
from offtake.errors import InvalidKey, NameTaken, UnknownName
from offtake.model.audit import AuditEntry
from offtake.model.tenant import (
    ALL_DATA,
    DEFAULT_SCOPES,
    Credential,
    CredentialKind,
    DataAccess,
    PublicKey,
    Scope,
    Tenant,
)
from offtake.store import audit, identity

MAX_NAME_LENGTH = 64  # characters of a credential's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What a new credential may do, with which data, and for how long."""

    scopes: frozenset[Scope] = DEFAULT_SCOPES
    access: DataAccess = ALL_DATA
    life: timedelta | None = None  # None: until it is revoked


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """A new credential with its secret, which is not stored and cannot be read again."""

    credential: Credential
    secret: str


def add_tenant(tenant: Tenant, on: Services) -> None:
    """Create a tenant. Raises NameTaken."""
    with on.database.write() as connection:
        existing = identity.get_tenant(connection, tenant.name)
        if existing is not None:
            raise NameTaken(
                f"The tenant {tenant.name} exists already."
                if existing.removing_at is None
                else f"The tenant {tenant.name} is being removed; complete it with: offtake tenant remove {tenant.name}"
            )
        if tenant.company_key is not None and identity.company_key_taken(connection, tenant.company_key):
            raise NameTaken("Another tenant already has that company key; choose another one.")
        identity.add_tenant(connection, tenant, now=on.clock())
        audit.record(connection, _operator("tenant.add", tenant.name), now=on.clock())


def get_tenant(name: str, on: Services) -> Tenant:
    """Return the tenant with that name, unless it is being removed. Raises UnknownName."""
    with on.database.read() as connection:
        tenant = identity.get_tenant(connection, name)
        names = [] if tenant else [each.name for each in identity.tenants(connection)]
    if tenant is None:
        close = get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]}? Create" if close else "create"
        raise UnknownName(f"There is no tenant {name}; {hint} it with: offtake tenant add {name}")
    if tenant.removing_at is not None:
        raise UnknownName(f"The tenant {name} is being removed; complete it with: offtake tenant remove {name}")
    return tenant


def unknown_tenants(names: Iterable[str], on: Services) -> list[str]:
    """Return the names that no tenant has."""
    with on.database.read() as connection:
        return [name for name in names if identity.get_tenant(connection, name) is None]


def add_credential(
    tenant: str,
    kind: CredentialKind,
    on: Services,
    *,
    user: str | None,
    permissions: Permissions,
    name: str | None = None,
) -> NewCredential:
    """Create a credential with a new secret. Without ``name``, it has the user's name or the start of its id.

    Raises UnknownName, NameTaken.
    """
    get_tenant(tenant, on)
    secret = on.new_secret()
    credential_id, now = on.new_id().replace("-", ""), on.clock()
    by_default = user if kind is CredentialKind.BASIC and user is not None else credential_id[:8]
    credential = Credential(
        id=credential_id,
        tenant=tenant,
        kind=kind,
        user=user,
        name=(name or by_default)[:MAX_NAME_LENGTH],
        secret_hash="",
        scopes=permissions.scopes,
        access=permissions.access,
        created_at=now,
        expires_at=None if permissions.life is None else now + permissions.life,
    )
    credential = replace(credential, secret_hash=hash_secret(secret, kind, on, login=credential.login))
    with on.database.write() as connection:
        # One password per user name. A user may have several tokens.
        if not identity.add_credential(connection, credential):
            raise NameTaken(
                "The tenant already has a credential for that user; replace its password with: offtake credential "
                "rotate ID"
            )
        audit.record(connection, _operator("credential.add", tenant, credential.id), now=on.clock())
    return NewCredential(credential=credential, secret=secret)


def list_credentials(tenant: str, on: Services) -> list[tuple[Credential, list[str]]]:
    """Return the tenant's active credentials, each with the names of its keys. Raises UnknownName."""
    get_tenant(tenant, on)
    with on.database.write() as connection:  # several statements that must see one state
        credentials = identity.credentials_of(connection, tenant)
        return [(credential, list(identity.key_names(connection, credential.id))) for credential in credentials]


def get_credential(credential_id: str, on: Services) -> Credential:
    """Return an active credential. Raises UnknownName."""
    with on.database.read() as connection:
        return _active_credential(connection, credential_id)


def revoke_credential(credential_id: str, on: Services) -> Credential:
    """Revoke a credential and all its tokens. This takes effect at once and cannot be undone. Raises UnknownName."""
    with on.database.write() as connection:
        credential = _active_credential(connection, credential_id)
        entry = _operator("credential.revoke", credential.tenant, credential.id)
        audit.record(connection, entry, now=on.clock())
        identity.revoke_credential(connection, credential.id)
    return credential


def rotate_secret(credential_id: str, on: Services, *, overlap: timedelta) -> NewCredential:
    """Give a credential a new secret. The present one stays valid for ``overlap``, an earlier one ends at once.

    Without overlap, for a secret that has leaked, all tokens and download links of the credential end as well.
    Raises UnknownName.
    """
    secret = on.new_secret()
    with on.database.read() as connection:
        credential = _active_credential(connection, credential_id)
    new_hash = hash_secret(secret, credential.kind, on, login=credential.login)  # slow: before the transaction
    with on.database.write() as connection:
        credential = _active_credential(connection, credential_id)
        now = on.clock()
        audit.record(connection, _operator("credential.rotate", credential.tenant, credential.id), now=now)
        identity.rotate_secret(connection, credential.id, new_hash, previous_until=now + overlap)
        if not overlap:
            identity.delete_tokens(connection, credential.id)
    return NewCredential(credential=replace(credential, previous_until=now + overlap), secret=secret)


def add_key(credential_id: str, pem: bytes, on: Services, *, kid: str | None = None) -> PublicKey:
    """Register a client's P-256 public key; without ``kid``, the RFC 7638 thumbprint becomes its name.

    Raises UnknownName, InvalidKey, NameTaken.
    """
    text, thumbprint = read_public_key(pem)
    with on.database.write() as connection:
        credential = _active_credential(connection, credential_id)
        if credential.kind is not CredentialKind.OAUTH:
            raise InvalidKey(
                "Only oauth credentials have keys; create one with: offtake credential add TENANT --kind oauth"
            )
        key = PublicKey(credential=credential.id, kid=kid or thumbprint, pem=text)
        if identity.get_key(connection, credential.id, key.kid) is not None:
            raise NameTaken(f"The credential already has a key {key.kid}; remove it first or choose another name.")
        audit.record(connection, _operator("key.add", credential.tenant, credential.id), now=on.clock())
        identity.add_key(connection, key, now=on.clock())
    return key


def remove_key(credential_id: str, kid: str, on: Services) -> None:
    """Remove a key. Assertions signed with it are refused from then on. Raises UnknownName."""
    with on.database.write() as connection:
        credential = _active_credential(connection, credential_id)
        audit.record(connection, _operator("key.remove", credential.tenant, credential.id), now=on.clock())
        if not identity.remove_key(connection, credential.id, kid):
            raise UnknownName(f"The credential has no key {kid}.")


def _active_credential(connection: Connection, credential_id: str) -> Credential:
    credential = identity.get_credential(connection, credential_id)
    if credential is None:
        raise UnknownName("There is no active credential with that id; list them with: offtake credential list TENANT")
    return credential


def _operator(operation: str, tenant: str, principal: str | None = None) -> AuditEntry:
    return AuditEntry(operation=operation, dialect="operator", tenant=tenant, principal=principal)
