"""Authentication by Bearer token (Talkdesk contract 1.3)."""

from __future__ import annotations

from collections.abc import Mapping

from offtake.core.auth import tokens
from offtake.core.auth.caller import Caller
from offtake.errors import NotAuthenticated
from offtake.http.authorization_header import authorization_of, credentials_of
from offtake.http.middleware import remote_address
from offtake.wire.endpoint import NO_HEADERS, Call, IncomingRequest
from offtake.wire.talkdesk.settings import TalkdeskSettings

TalkdeskCall = Call[TalkdeskSettings]
AnyCall = IncomingRequest[TalkdeskSettings]


def authenticate(incoming: IncomingRequest[TalkdeskSettings]) -> TalkdeskCall:
    """The caller whose Bearer token came with the request. Raises NotAuthenticated."""
    by = Caller(principal=tokens.authenticate(_token(incoming), incoming.on), address=remote_address(incoming.request))
    return Call(request=incoming.request, body=incoming.body, wire=incoming.wire, by=by)


def authenticate_poll(incoming: IncomingRequest[TalkdeskSettings]) -> TalkdeskCall:
    """The caller of a status poll, with the job that the path names. Raises NotAuthenticated."""
    job_id = incoming.request.path_params["job_id"]
    principal, polled = tokens.authenticate_poll(_token(incoming), job_id, incoming.on)
    by = Caller(principal=principal, address=remote_address(incoming.request))
    return Call(request=incoming.request, body=b"", wire=incoming.wire, by=by, polled=polled)


def _token(incoming: IncomingRequest[TalkdeskSettings]) -> str:
    token = credentials_of(authorization_of(incoming.request.headers), "bearer")
    if not token:
        raise NotAuthenticated("The access token is missing, unknown or has expired.")
    return token


def limit_rate(call: AnyCall) -> Mapping[str, str]:
    """Count the request against the rate of the account, which the vendor does not document. Raises Throttled."""
    tenant, dialect, on = call.log_fields["tenant"], call.wire.dialect.name, call.on
    on.tenant_rates.count(tenant, dialect, on.limits[dialect].of(tenant).tenant_rate, now=on.clock())
    return NO_HEADERS
