"""Who calls, and on whose behalf (Loop contract 3 and 4)."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from offtake.core.admin import identity
from offtake.core.auth import client_auth
from offtake.core.auth.caller import Caller
from offtake.core.auth.impersonation import impersonate
from offtake.core.services import Services
from offtake.errors import AccountNotVerified, NotAuthenticated
from offtake.http.middleware import remote_address
from offtake.model.tenant import Tenant
from offtake.wire.dialect import Wire
from offtake.wire.loop.errors import refuse
from offtake.wire.loop.settings import LoopSettings
from offtake.wire.loop.tables import NAME

IMPERSONATE = "X-Impersonate-User"
_LONGEST_NAME = 320  # characters of an e-mail address
_MISSING = "The token is missing, unknown or was revoked."


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An authenticated call."""

    by: Caller
    tenant: Tenant
    settings: LoopSettings


def authenticate(request: Request, wire: Wire[LoopSettings]) -> Call:
    """Whose token it is: ``Bearer <token>``, or the token alone as in the vendor's generated sample (Loop contract 3).

    Raises NotAuthenticated, AccountNotVerified.
    """
    header = request.headers.get("authorization", "").strip()
    scheme, _, token = header.partition(" ")
    is_bare = scheme.lower() != "bearer"
    by = client_auth.authenticate_bearer(header if is_bare else token.strip(), wire.on)
    settings = wire.settings.of(by.tenant)
    if is_bare and not settings.bare_token:
        raise NotAuthenticated(_MISSING)
    tenant = identity.get_tenant(by.tenant, wire.on)
    if not tenant.is_verified:
        raise AccountNotVerified("The account is not verified.")
    return Call(by=Caller(principal=by, address=remote_address(request)), tenant=tenant, settings=settings)


def acting(request: Request, by: Caller, on: Services) -> Caller:
    """The caller, acting as the person that the header names, if it names one.

    Raises Refused (``InvalidImpersonation``), ImpersonationRefused.
    """
    sent = request.headers.getlist(IMPERSONATE)
    if len(sent) > 1:
        raise refuse("InvalidImpersonation", "may be given once only", field=IMPERSONATE)
    name = _text(sent[0]) if sent else ""
    if not name:
        return by
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise refuse("InvalidImpersonation", "must be an e-mail address or the id of a user", field=IMPERSONATE)
    return impersonate(name, by, on, dialect=NAME)


def _text(header: str) -> str:
    """Headers come as Latin-1, whatever was sent."""
    try:
        return header.encode("latin-1").decode("utf-8").strip()
    except UnicodeDecodeError:
        return header.strip()
