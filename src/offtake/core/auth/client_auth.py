"""Client authentication: by secret, by a JWT signed with a registered key (RFC 7521, RFC 7523), or by a long-lived
token.

A secret is generated and shown once and stored as an argon2id hash (``core.logins``). The secret of a long-lived token
is stored as SHA-256: it arrives with every request, and random secrets gain nothing from a slow hash. Only public keys
are stored.
Before a signature is verified, all faults give the same message; the specific message is for the key's owner only.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from offtake.core.services import Services
from offtake.errors import NotAuthenticated
from offtake.model.job import PolledJob
from offtake.model.tenant import Credential, CredentialKind, Principal, StoredSecret, person
from offtake.store import identity, polls

ALGORITHM = "ES256"
_LEEWAY = timedelta(seconds=30)  # tolerated difference between clocks
_MAX_LIFETIME = timedelta(hours=1)  # of an assertion; clients usually choose five minutes
_NO_SECRET = StoredSecret(hash="", generation=0)  # of an unknown token; no digest is empty
_LONG_LIVED = frozenset({CredentialKind.TOKEN, CredentialKind.SHARE})
_INVALID_TOKEN = {
    CredentialKind.TOKEN: "The token is missing, unknown or was revoked.",
    CredentialKind.SHARE: "The token is missing, unknown, expired or was revoked.",
}
_INVALID_ASSERTION = "The client assertion is not valid."


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecret:
    """A client id and its secret."""

    client_id: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAssertion:
    """A signed assertion and the audiences that it may name: the URLs of the token endpoint.

    Without audiences, every assertion is refused: a server that has no URL of its own cannot tell whether an assertion
    was made for it.
    """

    text: str
    audiences: frozenset[str]
    client_id: str | None = None  # where the request also names the client


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionUse:
    """Identifies a used assertion until it expires, so that it cannot be used twice."""

    jti: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatedClient:
    """An authenticated client. The transaction of the operation must also record the use of its assertion."""

    credential: Credential
    assertion: AssertionUse | None = None


ClientAuthentication = ClientSecret | ClientAssertion


def hash_secret(secret: str, kind: CredentialKind, on: Services, *, login: str) -> str:
    """Return the hash under which a secret is stored; ``login`` is the name that the client sends with it.

    The salt of a slow hash depends on the login only, so one hash is compared with those of both secrets of a rotation.
    """
    return _digest(secret) if kind in _LONG_LIVED else on.logins.hash(login, secret)


def authenticate_client(presented: ClientAuthentication, on: Services, *, address: str | None) -> AuthenticatedClient:
    """Authenticate an OAuth client at ``address`` by its secret or assertion.

    Raises NotAuthenticated; for a secret also Throttled and Unavailable.
    """
    if isinstance(presented, ClientSecret):
        return _authenticate_by_secret(presented, on, address)
    return _authenticate_by_assertion(presented, on)


def authenticate_bearer(token: str, on: Services, *, kind: CredentialKind = CredentialKind.TOKEN) -> Principal:
    """Return the principal of a long-lived token of that kind: the credential's id, a dot and the secret.

    Raises NotAuthenticated with the same message for an unknown, a revoked and an expired token.
    """
    credential_id, _, secret = token.partition(".")
    with on.database.read() as connection:
        credential = identity.get_credential(connection, credential_id)
    return _principal(credential, kind, secret, on)


def authenticate_poll(token: str, job_id: str, on: Services) -> tuple[Principal, PolledJob | None]:
    """Return the principal as ``authenticate_bearer``, and its tenant's job, which the same statement reads."""
    credential_id, _, secret = token.partition(".")
    with on.database.read() as connection:
        credential, polled = polls.by_credential(connection, credential_id, job_id)
    return _principal(credential, CredentialKind.TOKEN, secret, on), polled


def _principal(credential: Credential | None, kind: CredentialKind, secret: str, on: Services) -> Principal:
    """Return the principal of a credential whose secret was presented. Raises NotAuthenticated."""
    is_token = credential is not None and credential.kind is kind
    stored = (credential.secrets(on.clock()) if credential is not None and is_token else []) or [_NO_SECRET]
    digest = _digest(secret).encode()
    valid = [each for each in stored if hmac.compare_digest(each.hash.encode(), digest)]
    if credential is None or not valid:
        raise refused(_INVALID_TOKEN[kind], credential if is_token else None)
    return Principal(
        tenant=credential.tenant,
        credential=credential.id,
        scopes=credential.scopes,
        access=credential.access,
        user=person(credential.user) if credential.user else None,
        name=credential.name,
        generation=valid[0].generation,
    )


def refused(message: str, credential: Credential | None) -> NotAuthenticated:
    """Return the error of a wrong secret of a credential, or of an unknown credential."""
    if credential is None:
        return NotAuthenticated(message)
    return NotAuthenticated(message, tenant=credential.tenant, credential=credential.id)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _authenticate_by_secret(presented: ClientSecret, on: Services, address: str | None) -> AuthenticatedClient:
    on.logins.check_limits(presented.client_id, address)
    with on.database.read() as connection:
        credential = identity.get_credential(connection, presented.client_id)
    if credential is not None and credential.kind is not CredentialKind.OAUTH:
        credential = None
    stored = [] if credential is None else [each.hash for each in credential.secrets(on.clock())]
    match = on.logins.verify(presented.client_id, presented.secret, stored, address)
    if match is None or credential is None:
        raise refused("The client id or its secret is not valid.", credential)
    return AuthenticatedClient(credential=credential)


def _authenticate_by_assertion(presented: ClientAssertion, on: Services) -> AuthenticatedClient:
    if not presented.audiences:
        raise NotAuthenticated(
            "This server accepts no client assertions, because its operator has not set server.public_url; "
            "authenticate with the client's secret."
        )
    claims = _verified_claims(presented.text, on)
    client_id = str(claims["iss"])
    if claims.get("sub") != client_id or presented.client_id not in (None, client_id):
        raise NotAuthenticated("The client assertion names different clients: iss, sub and client_id must be equal.")
    claim = claims.get("aud")
    audiences = [claim] if isinstance(claim, str) else claim if isinstance(claim, list) else []
    if not presented.audiences.intersection(audience for audience in audiences if isinstance(audience, str)):
        raise NotAuthenticated("The client assertion has another audience: aud must be this token endpoint.")
    expires_at = _valid_expiry(claims, on.clock())
    jti = claims.get("jti")
    if not isinstance(jti, str) or not jti:
        raise NotAuthenticated("The client assertion has no jti.")
    with on.database.read() as connection:
        credential = identity.get_credential(connection, client_id)
    if credential is None or credential.kind is not CredentialKind.OAUTH:
        raise NotAuthenticated(_INVALID_ASSERTION)
    use = AssertionUse(
        jti=hashlib.sha256(jti.encode("utf-8", "surrogatepass")).hexdigest(), expires_at=expires_at + _LEEWAY
    )
    return AuthenticatedClient(credential=credential, assertion=use)


def _verified_claims(text: str, on: Services) -> dict[str, Any]:
    """Return the claims of an assertion that its issuer signed with a registered key. Only the signature is checked."""
    try:
        kid = jwt.get_unverified_header(text).get("kid")
        issuer = jwt.decode(text, options={"verify_signature": False}).get("iss")
        if not isinstance(kid, str) or not isinstance(issuer, str):
            raise NotAuthenticated(_INVALID_ASSERTION)
        with on.database.read() as connection:
            key = identity.get_key(connection, issuer, kid)
        if key is None:
            raise NotAuthenticated(_INVALID_ASSERTION)
        # The caller checks the claims: times against the injected clock, the audience against the endpoint's URLs.
        options = {f"verify_{name}": False for name in ("exp", "iat", "nbf", "aud", "iss", "sub", "jti")}
        claims: dict[str, Any] = jwt.decode(text, key.pem, algorithms=[ALGORITHM], options=options)  # type: ignore[arg-type]
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise NotAuthenticated(_INVALID_ASSERTION) from error
    return claims


def _valid_expiry(claims: dict[str, Any], now: datetime) -> datetime:
    """Return the expiry of an assertion. Raises NotAuthenticated if it is expired, not valid yet or valid too long."""
    expires_at, issued_at = _instant(claims, "exp"), _instant(claims, "iat")
    if expires_at <= now - _LEEWAY:
        raise NotAuthenticated("The client assertion has expired.")
    if issued_at > now + _LEEWAY or ("nbf" in claims and _instant(claims, "nbf") > now + _LEEWAY):
        raise NotAuthenticated("The client assertion is not valid yet.")
    if expires_at - min(issued_at, now) > _MAX_LIFETIME + _LEEWAY:
        raise NotAuthenticated(
            f"The client assertion is valid for longer than {int(_MAX_LIFETIME.total_seconds())} seconds."
        )
    return expires_at


def _instant(claims: dict[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotAuthenticated(f"The client assertion has no {name}.")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise NotAuthenticated(f"The client assertion's {name} is not a valid timestamp.") from error
