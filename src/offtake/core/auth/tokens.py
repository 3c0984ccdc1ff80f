"""Access tokens, service tokens and refresh tokens: issue, refresh, revoke and authenticate.

Tokens are random and stored as SHA-256: they are looked up on every request, and random tokens gain nothing from a slow
hash. A refresh token can be exchanged once (RFC 9700 4.14); a second exchange indicates that it was stolen and revokes
every token of its family, that is, of the same client authentication.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from offtake.core.auth.client_auth import AuthenticatedClient
from offtake.core.policy import DialectLimits
from offtake.core.services import Services
from offtake.errors import BudgetExceeded, InvalidGrant, InvalidScope, NotAuthenticated
from offtake.model.audit import AuditEntry
from offtake.model.job import PolledJob
from offtake.model.tenant import Credential, Principal, Scope, Token, TokenKind
from offtake.store import audit, identity, polls

_INVALID_GRANT = "The refresh token is unknown, has expired, was used before or belongs to another client."


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEndpoint:
    """The dialect of the token endpoint, and the client's network address."""

    dialect: str
    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """New tokens with their texts, which are not stored and cannot be read again."""

    text: str
    principal: Principal
    life: timedelta
    refresh: str | None = None


def issue(
    client: AuthenticatedClient,
    at: TokenEndpoint,
    on: Services,
    *,
    requested: frozenset[Scope] | None,
    service_life: timedelta | None = None,
) -> IssuedToken:
    """Issue an access token with those of the ``requested`` scopes that the client has; with None, with all of them.

    With ``service_life``, issue a service token with that lifetime and no refresh token. Raises NotAuthenticated if the
    assertion was used before, BudgetExceeded.
    """
    credential, now = client.credential, on.clock()
    scopes = credential.scopes if requested is None else credential.scopes & requested
    principal = Principal(tenant=credential.tenant, credential=credential.id, scopes=scopes, access=credential.access)
    with on.database.write() as connection:
        _require_room(connection, credential, on, now)
        audit.record(connection, _audit_entry("token.issue", principal, at), now=now)
        _use_assertion(client, connection, now)
        if service_life is None:
            limits = on.limits[at.dialect].of(principal.tenant)
            return _add_pair(connection, on, principal, refresh_principal=principal, limits=limits, family=on.new_id())
        text = _add(connection, on, principal, kind=TokenKind.SERVICE, family=on.new_id(), life=service_life)
        return IssuedToken(text=text, principal=principal, life=service_life)


def refresh(
    text: str, client: AuthenticatedClient, at: TokenEndpoint, on: Services, *, requested: frozenset[Scope] | None
) -> IssuedToken:
    """Exchange a refresh token for a new pair. The new access token has the same scopes or, if ``requested``, fewer.

    Raises InvalidGrant, InvalidScope, BudgetExceeded.
    """
    now = on.clock()
    with on.database.write() as connection:
        _require_room(connection, client.credential, on, now)
        token = identity.get_token(connection, token_hash(text), credential_id=client.credential.id, now=now)
        if token is None or token.kind is not TokenKind.REFRESH:
            raise InvalidGrant(_INVALID_GRANT)
        granted = token.principal
        scopes = granted.scopes if requested is None else requested
        if identity.use_token(connection, token.hash, now=now):
            if not scopes <= granted.scopes:  # also rolls back the use of the token
                raise InvalidScope(
                    "The refresh asks for scopes that the refresh token does not have; ask for the same or fewer."
                )
            audit.record(connection, _audit_entry("token.refresh", granted, at), now=now)
            _use_assertion(client, connection, now)
            narrowed = replace(granted, scopes=scopes & client.credential.scopes)
            limits, family = on.limits[at.dialect].of(granted.tenant), token.family or on.new_id()
            return _add_pair(connection, on, narrowed, refresh_principal=granted, limits=limits, family=family)
        audit.record(connection, _audit_entry("token.reuse", granted, at, outcome="refused"), now=now)
        identity.revoke_token(connection, token)
    raise InvalidGrant(_INVALID_GRANT)


def revoke(text: str, client: AuthenticatedClient, at: TokenEndpoint, on: Services) -> None:
    """Revoke a client's token and its family. An unknown token is not an error (RFC 7009)."""
    now = on.clock()
    with on.database.write() as connection:
        identity.lock_credential(connection, client.credential.id)
        token = identity.get_token(connection, token_hash(text), credential_id=client.credential.id, now=now)
        principal = Principal(tenant=client.credential.tenant, credential=client.credential.id, scopes=frozenset())
        audit.record(connection, _audit_entry("token.revoke", principal, at), now=now)
        _use_assertion(client, connection, now)
        if token is not None:
            identity.revoke_token(connection, token)


def authenticate(text: str, on: Services) -> Principal:
    """Return the principal of an access or service token.

    Raises NotAuthenticated with the same message for an unknown, expired or revoked token.
    """
    with on.database.read() as connection:
        principal = identity.principal_of(connection, token_hash(text), now=on.clock())
    return _authenticated(principal)


def authenticate_poll(text: str, job_id: str, on: Services) -> tuple[Principal, PolledJob | None]:
    """Return the principal as ``authenticate``, and its tenant's job, which the same statement reads."""
    with on.database.read() as connection:
        principal, polled = polls.by_token(connection, token_hash(text), job_id, now=on.clock())
    return _authenticated(principal), polled


def _authenticated(principal: Principal | None) -> Principal:
    if principal is None:
        raise NotAuthenticated("The access token is missing, unknown or has expired.")
    return principal


def token_hash(text: str) -> str:
    """Return the hash under which a token is stored."""
    return hashlib.sha256(text.encode()).hexdigest()


def _require_room(connection: Connection, credential: Credential, on: Services, now: datetime) -> None:
    """Raise BudgetExceeded if the credential has all tokens that its tenant's budget allows. Locks the credential."""
    identity.lock_credential(connection, credential.id)
    limit = on.budgets.of(credential.tenant).tokens
    if limit is None:
        return
    number, next_expiry = identity.live_tokens(connection, credential.id, now=now)
    if number >= limit and next_expiry is not None:
        message = f"The client has {number} tokens that have not expired; use them instead of asking for new ones."
        raise BudgetExceeded(message, retry_after=max(1, math.ceil((next_expiry - now).total_seconds())))


def _add_pair(
    connection: Connection,
    on: Services,
    principal: Principal,
    *,
    refresh_principal: Principal,
    limits: DialectLimits,
    family: str,
) -> IssuedToken:
    """Add an access token and, if the dialect issues them, a refresh token, which keeps the first grant's scopes."""
    text = _add(connection, on, principal, kind=TokenKind.ACCESS, family=family, life=limits.token_life)
    issued = IssuedToken(text=text, principal=principal, life=limits.token_life)
    if not limits.refresh_life:
        return issued
    refresh_text = _add(
        connection, on, refresh_principal, kind=TokenKind.REFRESH, family=family, life=limits.refresh_life
    )
    return replace(issued, refresh=refresh_text)


def _add(
    connection: Connection, on: Services, principal: Principal, *, kind: TokenKind, family: str, life: timedelta
) -> str:
    """Insert a new token and return its text."""
    text, now = on.new_secret(), on.clock()
    row = Token(
        hash=token_hash(text), kind=kind, principal=principal, family=family, created_at=now, expires_at=now + life
    )
    identity.add_token(connection, row)
    return text


def _use_assertion(client: AuthenticatedClient, connection: Connection, now: datetime) -> None:
    """Record the use of the client's assertion. Raises NotAuthenticated if it was used before."""
    use = client.assertion
    if use is not None and not identity.use_assertion(
        connection, client.credential.id, use.jti, now=now, expires_at=use.expires_at
    ):
        raise NotAuthenticated("The client assertion was used before; sign a new one for each request.")


def _audit_entry(operation: str, principal: Principal, at: TokenEndpoint, outcome: str = "allowed") -> AuditEntry:
    return AuditEntry(
        operation=operation,
        dialect=at.dialect,
        tenant=principal.tenant,
        principal=principal.credential,
        address=at.address,
        outcome=outcome,
    )
