"""How a client proves who it is: by its secret, by a JWT signed with a registered key (RFC 7521, RFC 7523), or by a
long-lived token.

Secrets are made once, shown once, and kept only as argon2id hashes; those of long-lived tokens as SHA-256, because they
come with every request, are random, and have more entropy than any hash could add. Of keys only the public half is
known. A refusal says why only to who could sign: before a signature is verified, every fault looks alike.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from offtake.core.services import Services
from offtake.errors import NotAuthenticated
from offtake.model.tenant import Credential, CredentialKind, Principal, person
from offtake.store import identity

# OWASP's smaller argon2id profile: many token requests at once must not need gigabytes.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Verified in place of an unknown client's hash, so that time does not tell which ids exist.
_DUMMY_HASH = _HASHER.hash("nobody")
ALGORITHM = "ES256"
_LEEWAY = timedelta(seconds=30)  # clocks differ
_LONGEST_LIFE = timedelta(hours=1)  # of an assertion; clients use five minutes
_NOT_SIGNED = "The client assertion is not valid."


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecret:
    """A client id and its secret."""

    client_id: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAssertion:
    """A signed assertion, and the addresses of the endpoint it may be meant for."""

    text: str
    audiences: frozenset[str]
    client_id: str | None = None  # where the request names one beside the assertion


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionUse:
    """What makes an assertion the only one of its kind, until it expires."""

    jti: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatedClient:
    """A client that has proved itself. An assertion still has to be noted as used, where its effect is written."""

    credential: Credential
    assertion: AssertionUse | None = None


ClientProof = ClientSecret | ClientAssertion


def hash_secret(secret: str, kind: CredentialKind) -> str:
    """A secret as it is kept."""
    return _digest(secret) if kind is CredentialKind.TOKEN else _HASHER.hash(secret)


def verify_secret(credential: Credential | None, secret: str) -> bool:
    """Whether it is the credential's secret; takes as long for nobody's, or a token's, as for somebody's."""
    kept = _DUMMY_HASH if credential is None or credential.kind is CredentialKind.TOKEN else credential.secret_hash
    try:
        return _HASHER.verify(kept, secret)
    except VerificationError:
        return False


def authenticate_client(proof: ClientProof, on: Services) -> AuthenticatedClient:
    """The OAuth client that a proof is of. Raises NotAuthenticated."""
    return (
        _authenticate_by_secret(proof, on) if isinstance(proof, ClientSecret) else _authenticate_by_assertion(proof, on)
    )


def authenticate_bearer(token: str, on: Services) -> Principal:
    """Who a long-lived token (its credential's id, a dot, the secret) stands for: its owner, where it has one.

    Raises NotAuthenticated for an unknown or revoked one alike.
    """
    credential_id, _, secret = token.partition(".")
    with on.database.read() as connection:
        credential = identity.get_credential(connection, credential_id)
    kept = credential.secret_hash if credential is not None and credential.kind is CredentialKind.TOKEN else ""
    if credential is None or not hmac.compare_digest(kept.encode(), _digest(secret).encode()):
        raise NotAuthenticated("The token is missing, unknown or was revoked.")
    return Principal(
        tenant=credential.tenant,
        credential=credential.id,
        scopes=credential.scopes,
        user=person(credential.user) if credential.user else None,
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _authenticate_by_secret(proof: ClientSecret, on: Services) -> AuthenticatedClient:
    with on.database.read() as connection:
        credential = identity.get_credential(connection, proof.client_id)
    if not verify_secret(credential, proof.secret) or credential is None or credential.kind is not CredentialKind.OAUTH:
        raise NotAuthenticated("The client id or its secret is not valid.")
    return AuthenticatedClient(credential=credential)


def _authenticate_by_assertion(proof: ClientAssertion, on: Services) -> AuthenticatedClient:
    claims = _verified(proof.text, on)
    client_id = str(claims["iss"])
    if claims.get("sub") != client_id or proof.client_id not in (None, client_id):
        raise NotAuthenticated("The client assertion does not speak of one client: iss, sub and client_id differ.")
    named = claims.get("aud")
    audiences = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    if not proof.audiences.intersection(each for each in audiences if isinstance(each, str)):
        raise NotAuthenticated("The client assertion is meant for somebody else: aud is not this token endpoint.")
    expires_at = _in_time(claims, on.clock())
    jti = claims.get("jti")
    if not isinstance(jti, str) or not jti:
        raise NotAuthenticated("The client assertion has no jti.")
    with on.database.read() as connection:
        credential = identity.get_credential(connection, client_id)
    if credential is None or credential.kind is not CredentialKind.OAUTH:
        raise NotAuthenticated(_NOT_SIGNED)
    used = AssertionUse(
        jti=hashlib.sha256(jti.encode("utf-8", "surrogatepass")).hexdigest(), expires_at=expires_at + _LEEWAY
    )
    return AuthenticatedClient(credential=credential, assertion=used)


def _verified(text: str, on: Services) -> dict[str, Any]:
    """The claims of an assertion that its issuer signed with a registered key; nothing else about them is checked."""
    try:
        kid = jwt.get_unverified_header(text).get("kid")
        issuer = jwt.decode(text, options={"verify_signature": False}).get("iss")
        if not isinstance(kid, str) or not isinstance(issuer, str):
            raise NotAuthenticated(_NOT_SIGNED)
        with on.database.read() as connection:
            key = identity.get_key(connection, issuer, kid)
        if key is None:
            raise NotAuthenticated(_NOT_SIGNED)
        # Times are compared with the server's own clock below, and the audience with what the caller may have meant.
        lenient = {f"verify_{name}": False for name in ("exp", "iat", "nbf", "aud", "iss", "sub", "jti")}
        claims: dict[str, Any] = jwt.decode(text, key.pem, algorithms=[ALGORITHM], options=lenient)  # type: ignore[arg-type]
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise NotAuthenticated(_NOT_SIGNED) from error
    return claims


def _in_time(claims: dict[str, Any], now: datetime) -> datetime:
    """The instant at which the assertion ends, which must not be past, nor far."""
    expires_at, issued_at = _instant(claims, "exp"), _instant(claims, "iat")
    if expires_at <= now - _LEEWAY:
        raise NotAuthenticated("The client assertion has expired.")
    if issued_at > now + _LEEWAY or ("nbf" in claims and _instant(claims, "nbf") > now + _LEEWAY):
        raise NotAuthenticated("The client assertion is not valid yet.")
    if expires_at - min(issued_at, now) > _LONGEST_LIFE + _LEEWAY:
        raise NotAuthenticated(f"The client assertion lives longer than {int(_LONGEST_LIFE.total_seconds())} seconds.")
    return expires_at


def _instant(claims: dict[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotAuthenticated(f"The client assertion has no {name}.")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise NotAuthenticated(f"The client assertion's {name} is no time.") from error
