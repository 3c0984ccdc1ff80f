"""Tenants, credentials and tokens.

Secrets are made here, shown once, and kept only as hashes: argon2id, but SHA-256 for what is looked at on every
request: short-lived access tokens, and credentials that are one long-lived token. Those are random and have more
entropy than any hash could add.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from offtake.core.services import Services
from offtake.errors import NameTaken, NotAuthenticated, UnknownName
from offtake.model.audit import AuditEntry
from offtake.model.tenant import Credential, CredentialKind, Principal, Scope, Tenant
from offtake.store import audit, identity

# OWASP's smaller argon2id profile: many token requests at once must not need gigabytes.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Verified in place of an unknown client's hash, so that time does not tell which ids exist.
_NOBODY = _HASHER.hash("nobody")
# Passwords are verified for so many tenants that know one user name, no more: each costs time and memory.
_NAMESAKES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """A credential at the only moment its secret is known."""

    credential: Credential
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token at the only moment its text is known."""

    text: str
    principal: Principal
    life: timedelta


def add_tenant(tenant: Tenant, on: Services) -> None:
    """Make a tenant. Raises NameTaken."""
    with on.database.write() as connection:
        if identity.get_tenant(connection, tenant.name) is not None:
            raise NameTaken(f"The tenant {tenant.name} exists already.")
        if tenant.company_key is not None and identity.company_key_taken(connection, tenant.company_key):
            raise NameTaken("Another tenant has that company key.")
        identity.add_tenant(connection, tenant, now=on.clock())
        audit.record(connection, _operator("tenant.add", tenant.name), now=on.clock())


def set_verified(name: str, on: Services, *, is_verified: bool) -> None:
    """Say whether the account behind a tenant was verified. Raises UnknownName."""
    get_tenant(name, on)
    with on.database.write() as connection:
        identity.set_verified(connection, name, is_verified=is_verified)
        operation = "tenant.verify" if is_verified else "tenant.unverify"
        audit.record(connection, _operator(operation, name), now=on.clock())


def get_tenant(name: str, on: Services) -> Tenant:
    """The tenant of that name. Raises UnknownName."""
    with on.database.read() as connection:
        tenant = identity.get_tenant(connection, name)
    if tenant is None:
        raise UnknownName(f"There is no tenant {name}; make it with: offtake tenant add {name}")
    return tenant


def unknown_tenants(names: Iterable[str], on: Services) -> list[str]:
    """Those of the names that no tenant has."""
    with on.database.read() as connection:
        return [name for name in names if identity.get_tenant(connection, name) is None]


def add_credential(
    tenant: str, kind: CredentialKind, on: Services, *, user: str | None, scopes: frozenset[Scope]
) -> NewCredential:
    """Make a credential with a fresh secret. Raises UnknownName, NameTaken."""
    get_tenant(tenant, on)
    secret = on.new_secret()
    credential = Credential(
        id=on.new_id().replace("-", ""),
        tenant=tenant,
        kind=kind,
        user=user,
        secret_hash=_token_hash(secret) if kind is CredentialKind.TOKEN else _HASHER.hash(secret),
        scopes=scopes,
        created_at=on.clock(),
    )
    with on.database.write() as connection:
        # One password a name; of tokens a person may have several, to replace one by another.
        if kind is CredentialKind.BASIC and user is not None and identity.user_taken(connection, tenant, user):
            raise NameTaken("The tenant has a credential for that user already.")
        identity.add_credential(connection, credential)
        audit.record(connection, _operator("credential.add", tenant, credential.id), now=on.clock())
    return NewCredential(credential=credential, secret=secret)


def issue_token(
    client_id: str, secret: str, on: Services, *, dialect: str, wanted: frozenset[Scope], address: str | None
) -> AccessToken:
    """An access token for a client that proves its secret; the scopes wanted, as far as the client has them.

    Nothing wanted means everything granted. Raises NotAuthenticated.
    """
    with on.database.read() as connection:
        credential = identity.get_credential(connection, client_id)
    if not _proves(credential, secret) or credential is None or credential.kind is not CredentialKind.OAUTH:
        raise NotAuthenticated("The client id or its secret is not valid.")
    principal = Principal(
        tenant=credential.tenant,
        credential=credential.id,
        scopes=credential.scopes & wanted if wanted else credential.scopes,
    )
    text, life, now = on.new_secret(), on.limits[dialect].of(principal.tenant).token_life, on.clock()
    entry = AuditEntry(
        operation="token.issue", dialect=dialect, tenant=principal.tenant, principal=credential.id, address=address
    )
    with on.database.write() as connection:
        audit.record(connection, entry, now=now)
        identity.add_token(connection, principal, hash_=_token_hash(text), now=now, expires_at=now + life)
    return AccessToken(text=text, principal=principal, life=life)


def log_in(user: str, password: str, on: Services, *, company_key: str | None) -> Principal:
    """Who a user name and its password stand for. Raises NotAuthenticated for either being wrong, never saying which.

    Several tenants may know the same name: the one with that company key is asked first. Whether the key is that of the
    principal's own tenant is not looked at here.
    """
    with on.database.read() as connection:
        known = identity.credentials_of_user(connection, user, company_key=company_key, limit=_NAMESAKES)
    for credential in known or (None,):
        if _proves(credential, password) and credential is not None:
            return Principal(tenant=credential.tenant, credential=credential.id, scopes=credential.scopes)
    raise NotAuthenticated("The user name or the password is not valid.")


def authenticate(token: str, on: Services) -> Principal:
    """Who a token stands for. Raises NotAuthenticated for an unknown, expired or revoked one alike."""
    with on.database.read() as connection:
        principal = identity.principal_of(connection, _token_hash(token), now=on.clock())
    if principal is None:
        raise NotAuthenticated("The access token is missing, unknown or has expired.")
    return principal


def authenticate_bearer(token: str, on: Services) -> Principal:
    """Who a long-lived token (its credential's id, a dot, the secret) stands for: a person, where it has an owner.

    Raises NotAuthenticated for an unknown or revoked one alike.
    """
    credential_id, _, secret = token.partition(".")
    with on.database.read() as connection:
        credential = identity.get_credential(connection, credential_id)
    kept = credential.secret_hash if credential is not None and credential.kind is CredentialKind.TOKEN else ""
    if credential is None or not hmac.compare_digest(kept.encode(), _token_hash(secret).encode()):
        raise NotAuthenticated("The token is missing, unknown or was revoked.")
    return Principal(
        tenant=credential.tenant,
        credential=credential.id,
        scopes=credential.scopes,
        user=credential.user and person(credential.user),
    )


def person(name: str) -> str:
    """A person's name as it is compared and kept."""
    return name.strip().lower()


def _proves(credential: Credential | None, secret: str) -> bool:
    try:
        return _HASHER.verify(_NOBODY if credential is None else credential.secret_hash, secret)
    except VerificationError:
        return False


def _token_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _operator(operation: str, tenant: str, principal: str | None = None) -> AuditEntry:
    return AuditEntry(operation=operation, dialect="operator", tenant=tenant, principal=principal)
