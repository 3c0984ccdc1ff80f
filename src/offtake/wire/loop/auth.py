"""Authentication by token, authorisation with impersonation, and rate limits (Loop contract 3, 4 and 9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from offtake.core.admin import identity
from offtake.core.auth import client_auth, rate_limit
from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller
from offtake.core.auth.impersonation import impersonate
from offtake.errors import AccountNotVerified, NotAuthenticated
from offtake.http.authorization_header import authorization_of, credentials_of
from offtake.http.middleware import remote_address
from offtake.model.tenant import Scope, Tenant
from offtake.wire.endpoint import NO_HEADERS, Call, IncomingRequest
from offtake.wire.loop.errors import rate_headers, refuse
from offtake.wire.loop.settings import LoopSettings

IMPERSONATE = "X-Impersonate-User"
_LONGEST_NAME = 320  # characters of an e-mail address
_MISSING = "The token is missing, unknown or was revoked."


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopCall(Call[LoopSettings]):
    """An authenticated request with the caller's tenant."""

    tenant: Tenant


def authenticate(incoming: IncomingRequest[LoopSettings]) -> LoopCall:
    """The owner of the token: ``Bearer <token>``, or the token alone as in a vendor's sample (Loop contract 3).

    Raises NotAuthenticated, AccountNotVerified.
    """
    header = authorization_of(incoming.request.headers).strip()
    token = credentials_of(header, "bearer")
    by = client_auth.authenticate_bearer(header if token is None else token, incoming.on)
    if token is None and not incoming.wire.settings.of(by.tenant).bare_token:
        raise NotAuthenticated(_MISSING)
    tenant = identity.get_tenant(by.tenant, incoming.on)
    if not tenant.is_verified:
        raise AccountNotVerified("The account is not verified.")
    return LoopCall(
        request=incoming.request,
        body=incoming.body,
        wire=incoming.wire,
        by=Caller(principal=by, address=remote_address(incoming.request)),
        tenant=tenant,
    )


def limit_rate(operation: str) -> Callable[[LoopCall], Mapping[str, str]]:
    """The rate-limit step of an operation that is counted on its own. Every answer says what is left of the rate."""

    def limit(call: LoopCall) -> Mapping[str, str]:
        allowance = rate_limit.count_request(call.by.principal, call.wire.dialect.name, call.on, operation=operation)
        if allowance is None:
            return NO_HEADERS
        return rate_headers(allowance.requests, allowance.left, allowance.resets_in)

    return limit


def authorise(scope: Scope) -> Callable[[LoopCall], LoopCall]:
    """The authorisation step: the scope, then the person on whose behalf the caller acts."""

    def permit(call: LoopCall) -> LoopCall:
        require(call.by.principal, scope)
        return _impersonate(call)

    return permit


def _impersonate(call: LoopCall) -> LoopCall:
    """The call on behalf of the person that the header names, if the request has that header.

    Raises Refused (``InvalidImpersonation``), ImpersonationRefused.
    """
    sent = call.request.headers.getlist(IMPERSONATE)
    if len(sent) > 1:
        raise refuse("InvalidImpersonation", "may be given once only", field=IMPERSONATE)
    name = _text(sent[0]) if sent else ""
    if not name:
        return call
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise refuse("InvalidImpersonation", "must be an e-mail address or the id of a user", field=IMPERSONATE)
    return replace(call, by=impersonate(name, call.by, call.on, dialect=call.wire.dialect.name))


def _text(header: str) -> str:
    """A header in UTF-8: the server decodes headers as Latin-1."""
    try:
        return header.encode("latin-1").decode("utf-8").strip()
    except UnicodeDecodeError:
        return header.strip()
