"""Tenants, their credentials, keys and tokens, and the principals that these authenticate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

TENANT_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

Options = Mapping[str, Mapping[str, Any]]  # values of settings, by table and option
NO_OPTIONS: Options = MappingProxyType({})


class Scope(StrEnum):
    """Permission of a credential. Each dialect maps its own scope names to these."""

    READ = "read"  # see jobs and download artifacts
    WRITE = "write"  # create, cancel and delete
    IMPERSONATE = "impersonate"  # impersonate another person of the tenant
    ADMIN = "admin"  # see all rows and jobs of the tenant, and impersonate any person of it


DEFAULT_SCOPES = frozenset({Scope.READ, Scope.WRITE})  # of a credential that names no scopes


class CredentialKind(StrEnum):
    """How a credential authenticates."""

    BASIC = "basic"  # user name and password, HTTP Basic
    OAUTH = "oauth"  # client id and secret at a token endpoint
    TOKEN = "token"  # noqa: S105 - a kind, not a secret: one long-lived bearer token
    SHARE = "share"  # a long-lived bearer token of a recipient of Delta Sharing


def user_name_fault(name: str, kind: CredentialKind) -> str | None:
    """Return why no credential of that kind can have the user name; None if one can.

    HTTP Basic separates user name and password by the first colon, and excludes control characters (RFC 7617 2).
    """
    if kind is CredentialKind.BASIC and ":" in name:
        return "has a colon, after which HTTP Basic expects the password"
    return _text_fault(name)


def company_key_fault(key: str) -> str | None:
    """Return why no tenant can have the company key; None if one can. Khoros clients send it as a parameter."""
    return "is null, which clients send for a parameter without a value" if key.lower() == "null" else _text_fault(key)


def _text_fault(text: str) -> str | None:
    if not text.strip():
        return "is empty"
    if text != text.strip():
        return "begins or ends with a blank"
    return None if text.isprintable() else "has a control character or another character that cannot be printed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A customer, isolated from all others. ``name`` is its id in the lake, the audit log and the command line."""

    name: str
    zone: str = "UTC"
    company_key: str | None = None
    created_at: datetime | None = None
    is_verified: bool = True  # whether its account is verified; some dialects refuse an unverified one
    options: Options = field(default_factory=dict)  # limits and budget of its own, which override those of the settings
    removing_at: datetime | None = None  # when its removal began; from then on nothing can use it

    def __post_init__(self) -> None:
        if not TENANT_NAME.fullmatch(self.name):
            raise ValueError(
                "a tenant name has 1 to 63 lower-case letters, digits and dashes, and does not begin with a dash"
            )
        if self.company_key is not None and (fault := company_key_fault(self.company_key)):
            raise ValueError(f"the company key {fault}")


REPORT_PATTERN = re.compile(r"[a-z0-9_*?]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataAccess:
    """Which data a credential may export, beyond its scopes.

    ``reports`` are names, or patterns with ``*`` and ``?``; None: all reports. Without ``personal``, the credential
    receives no column that a report marks as personal. ``shares`` are names of shares; None: all shares.
    """

    reports: tuple[str, ...] | None = None
    personal: bool = True
    shares: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        faulty = [pattern for pattern in self.reports or () if not REPORT_PATTERN.fullmatch(pattern)]
        if faulty:
            raise ValueError(f"{faulty[0]!r} is not a report's name or a pattern such as conv*")

    def allows(self, report: str) -> bool:
        """Whether the report is among those of the credential."""
        return self.reports is None or any(fnmatchcase(report, pattern) for pattern in self.reports)

    def allows_share(self, share: str) -> bool:
        """Whether the share is among those of the credential."""
        return self.shares is None or share in self.shares


ALL_DATA = DataAccess()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSecret:
    """The hash of a credential's secret; ``generation`` is 1 for the first secret and rises with each rotation."""

    hash: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A stored credential. Only hashes of its secrets are stored: of the present one, and after a rotation of the
    previous one, which stays valid until ``previous_until``. ``generation`` is that of the present one."""

    id: str
    tenant: str
    kind: CredentialKind
    user: str | None
    name: str  # for people: in lists, the log and the audit log; not unique
    secret_hash: str
    previous_hash: str | None = None
    previous_until: datetime | None = None
    generation: int = 1
    scopes: frozenset[Scope]
    access: DataAccess = ALL_DATA
    created_at: datetime
    expires_at: datetime | None = None  # from then on no secret of it is valid; None: it does not expire

    def __post_init__(self) -> None:
        if self.user is not None and (fault := user_name_fault(self.user, self.kind)):
            raise ValueError(f"the user name {fault}")

    @property
    def login(self) -> str:
        """The name that the client sends with the secret."""
        return self.user if self.kind is CredentialKind.BASIC and self.user is not None else self.id

    def secrets(self, now: datetime) -> list[StoredSecret]:
        """Return the secrets that are valid now, the present one first."""
        if self.expires_at is not None and self.expires_at <= now:
            return []
        valid = [StoredSecret(hash=self.secret_hash, generation=self.generation)]
        if self.previous_hash is not None and self.previous_until is not None and self.previous_until > now:
            valid.append(StoredSecret(hash=self.previous_hash, generation=self.generation - 1))
        return valid


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """The public key of a key pair with which a client signs; ``kid`` is the key's name."""

    credential: str
    kid: str
    pem: str


def person(name: str) -> str:
    """Return a person's e-mail address in the form in which it is stored and compared: trimmed, in lower case."""
    return name.strip().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The authenticated caller: a person of the tenant, or the tenant as a whole.

    A person is identified by the e-mail address of the lake's table ``agent``, in lower case.
    """

    tenant: str
    credential: str
    scopes: frozenset[Scope]
    user: str | None = None  # the owner of the credential; None: the tenant as a whole
    effective: str | None = None  # the impersonated person, if any
    name: str = field(default="", compare=False)  # of the credential, for people
    generation: int = 1  # of the secret that authenticates the caller; for tokens, of the credential's present secret
    access: DataAccess = ALL_DATA  # of the credential, at the time of the request

    @property
    def person(self) -> str | None:
        """The person whose permissions apply: the impersonated one or the owner; None for the tenant as a whole."""
        return self.effective or self.user

    @property
    def sees_all(self) -> bool:
        """Whether the caller may see all rows and jobs of the tenant.

        An administrator who impersonates a person sees only what that person may see.
        """
        return self.person is None or (self.effective is None and Scope.ADMIN in self.scopes)


class TokenKind(StrEnum):
    """Use of a token."""

    ACCESS = "access"  # authenticates requests, for minutes
    SERVICE = "service"  # authenticates requests, for as long as its client requested
    REFRESH = "refresh"  # can be exchanged once for a new pair of tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A stored token. The tokens of one client authentication form a family and are revoked together."""

    hash: str
    kind: TokenKind
    principal: Principal
    family: str | None
    created_at: datetime
    expires_at: datetime
