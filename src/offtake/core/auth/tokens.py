"""Access tokens, service tokens and refresh tokens: issued, exchanged, revoked.

Tokens are random and kept as SHA-256: they have more entropy than any hash could add, and are looked up on every
request. A refresh token is good for one exchange (RFC 9700 4.14); a second one means that somebody else has it, and
ends every token that came from the same proof.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from offtake.core.auth.client_auth import AuthenticatedClient
from offtake.core.policy import DialectLimits
from offtake.core.services import Services
from offtake.errors import InvalidGrant, InvalidScope, NotAuthenticated
from offtake.model.audit import AuditEntry
from offtake.model.tenant import Principal, Scope, Token, TokenKind
from offtake.store import audit, identity

_NO_GRANT = "The refresh token is unknown, has expired, was used before or belongs to another client."


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEndpoint:
    """Where tokens are asked for, and from where."""

    dialect: str
    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """Tokens at the only moment their texts are known."""

    text: str
    principal: Principal
    life: timedelta
    refresh: str | None = None


def issue(
    client: AuthenticatedClient,
    at: TokenEndpoint,
    on: Services,
    *,
    wanted: frozenset[Scope],
    service_life: timedelta | None = None,
) -> IssuedToken:
    """An access token with the scopes wanted, as far as the client has them; nothing wanted means all of them.

    With ``service_life`` a token of that life, and no refresh token. Raises NotAuthenticated for an assertion that was
    used before.
    """
    credential, now = client.credential, on.clock()
    scopes = credential.scopes & wanted if wanted else credential.scopes
    principal = Principal(tenant=credential.tenant, credential=credential.id, scopes=scopes)
    with on.database.write() as connection:
        audit.record(connection, _entry("token.issue", principal, at), now=now)
        _use(client, connection, now)
        if service_life is None:
            limits = on.limits[at.dialect].of(principal.tenant)
            return _pair(connection, on, principal, kept=principal, limits=limits, family=on.new_id())
        text = _add(connection, on, principal, kind=TokenKind.SERVICE, family=on.new_id(), life=service_life)
        return IssuedToken(text=text, principal=principal, life=service_life)


def refresh(
    text: str, client: AuthenticatedClient, at: TokenEndpoint, on: Services, *, wanted: frozenset[Scope]
) -> IssuedToken:
    """Exchange a refresh token for a new pair; the new access token may have fewer scopes, never more.

    Raises InvalidGrant, InvalidScope.
    """
    now = on.clock()
    with on.database.write() as connection:
        identity.lock_credential(connection, client.credential.id)
        found = identity.get_token(connection, token_hash(text), credential_id=client.credential.id, now=now)
        if found is None or found.kind is not TokenKind.REFRESH:
            raise InvalidGrant(_NO_GRANT)
        granted = found.principal
        if identity.use_token(connection, found.hash, now=now):
            if not wanted <= granted.scopes:  # undoes the use, too
                raise InvalidScope("A refresh may not ask for more than the token was granted.")
            audit.record(connection, _entry("token.refresh", granted, at), now=now)
            _use(client, connection, now)
            narrowed = replace(granted, scopes=(wanted or granted.scopes) & client.credential.scopes)
            limits, family = on.limits[at.dialect].of(granted.tenant), found.family or on.new_id()
            return _pair(connection, on, narrowed, kept=granted, limits=limits, family=family)
        audit.record(connection, _entry("token.reuse", granted, at, outcome="refused"), now=now)
        identity.revoke_token(connection, found)
    raise InvalidGrant(_NO_GRANT)


def revoke(text: str, client: AuthenticatedClient, at: TokenEndpoint, on: Services) -> None:
    """End a client's own token and all that came from the same proof; an unknown one is ended already (RFC 7009)."""
    now = on.clock()
    with on.database.write() as connection:
        identity.lock_credential(connection, client.credential.id)
        found = identity.get_token(connection, token_hash(text), credential_id=client.credential.id, now=now)
        principal = Principal(tenant=client.credential.tenant, credential=client.credential.id, scopes=frozenset())
        audit.record(connection, _entry("token.revoke", principal, at), now=now)
        _use(client, connection, now)
        if found is not None:
            identity.revoke_token(connection, found)


def authenticate(text: str, on: Services) -> Principal:
    """Who a token stands for. Raises NotAuthenticated for an unknown, expired or revoked one alike."""
    with on.database.read() as connection:
        principal = identity.principal_of(connection, token_hash(text), now=on.clock())
    if principal is None:
        raise NotAuthenticated("The access token is missing, unknown or has expired.")
    return principal


def token_hash(text: str) -> str:
    """A token as it is kept."""
    return hashlib.sha256(text.encode()).hexdigest()


def _pair(
    connection: Connection, on: Services, principal: Principal, *, kept: Principal, limits: DialectLimits, family: str
) -> IssuedToken:
    """An access token and, where the dialect gives them, a refresh token, which keeps the scopes of the first one."""
    text = _add(connection, on, principal, kind=TokenKind.ACCESS, family=family, life=limits.token_life)
    issued = IssuedToken(text=text, principal=principal, life=limits.token_life)
    if not limits.refresh_life:
        return issued
    again = _add(connection, on, kept, kind=TokenKind.REFRESH, family=family, life=limits.refresh_life)
    return replace(issued, refresh=again)


def _add(
    connection: Connection, on: Services, principal: Principal, *, kind: TokenKind, family: str, life: timedelta
) -> str:
    """A new token's text, its row written."""
    text, now = on.new_secret(), on.clock()
    row = Token(
        hash=token_hash(text), kind=kind, principal=principal, family=family, created_at=now, expires_at=now + life
    )
    identity.add_token(connection, row)
    return text


def _use(client: AuthenticatedClient, connection: Connection, now: datetime) -> None:
    """Note the client's assertion as used, in the transaction of its effect."""
    used = client.assertion
    if used is not None and not identity.use_assertion(
        connection, client.credential.id, used.jti, now=now, expires_at=used.expires_at
    ):
        raise NotAuthenticated("The client assertion was used before; sign a new one for each request.")


def _entry(operation: str, principal: Principal, at: TokenEndpoint, outcome: str = "allowed") -> AuditEntry:
    return AuditEntry(
        operation=operation,
        dialect=at.dialect,
        tenant=principal.tenant,
        principal=principal.credential,
        address=at.address,
        outcome=outcome,
    )
