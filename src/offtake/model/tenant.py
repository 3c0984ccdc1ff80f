"""Tenants, and who may act for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

TENANT_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Scope(StrEnum):
    """What a credential may do; dialects translate their own scope words into these."""

    READ = "read"  # see jobs and download artifacts
    WRITE = "write"  # create, cancel and delete


class CredentialKind(StrEnum):
    """How a credential proves itself."""

    BASIC = "basic"  # user name and password, HTTP Basic
    OAUTH = "oauth"  # client id and secret at a token endpoint
    TOKEN = "token"  # noqa: S105 - a kind, not a secret: one long-lived bearer token


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """The wall between customers. ``name`` is its id everywhere: lake partitions, audit log, command line."""

    name: str
    zone: str = "UTC"
    company_key: str | None = None
    created_at: datetime | None = None

    def __post_init__(self) -> None:
        if not TENANT_NAME.fullmatch(self.name):
            raise ValueError("a tenant name has 1 to 63 lower-case letters, digits and dashes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A stored way in: the secret itself is never kept."""

    id: str
    tenant: str
    kind: CredentialKind
    user: str | None
    secret_hash: str
    scopes: frozenset[Scope]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """The public half of a key whose private half a client signs with; ``kid`` is what the client calls it."""

    credential: str
    kid: str
    pem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The authenticated caller."""

    tenant: str
    credential: str
    scopes: frozenset[Scope]


class TokenKind(StrEnum):
    """What a token is good for."""

    ACCESS = "access"  # calls, for minutes
    SERVICE = "service"  # calls, for as long as its client asked for
    REFRESH = "refresh"  # one new pair of tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A stored token. Those that come from one proof of a client are a family, and are revoked together."""

    hash: str
    kind: TokenKind
    principal: Principal
    family: str | None
    created_at: datetime
    expires_at: datetime
