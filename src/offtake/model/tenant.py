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
    IMPERSONATE = "impersonate"  # act as another person of the tenant
    ADMIN = "admin"  # see what every person of the tenant may see, and act as any of them


ORDINARY = frozenset({Scope.READ, Scope.WRITE})  # what a credential may do unless somebody says otherwise


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
    is_verified: bool = True  # whether the account behind it was checked; some dialects refuse one that was not

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


def person(name: str) -> str:
    """A person's name as it is compared and kept: the e-mail address in lower case."""
    return name.strip().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The authenticated caller: a person of the tenant, or the tenant as a whole.

    People go by their e-mail addresses, in lower case, as the lake's table ``agent`` has them.
    """

    tenant: str
    credential: str
    scopes: frozenset[Scope]
    user: str | None = None  # whose credential it is, in a dialect that cares; None: the tenant's
    effective: str | None = None  # the person it acts as, where that is somebody else

    @property
    def person(self) -> str | None:
        """Whose eyes the caller sees with; None for the tenant's."""
        return self.effective or self.user

    @property
    def sees_all(self) -> bool:
        """Whether nothing of the tenant is hidden from the caller. An administrator who acts as somebody sees what
        that person sees."""
        return self.person is None or (self.effective is None and Scope.ADMIN in self.scopes)


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
