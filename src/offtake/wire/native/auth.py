"""Authentication by Bearer token: a long-lived token, or an access token from the token endpoint."""

from __future__ import annotations

from offtake.core.auth import client_auth, tokens
from offtake.core.auth.caller import Caller
from offtake.errors import NotAuthenticated
from offtake.http.authorization_header import authorization_of, credentials_of
from offtake.http.middleware import remote_address
from offtake.wire.endpoint import Call, IncomingRequest
from offtake.wire.native.settings import NativeSettings

NativeCall = Call[NativeSettings]


def authenticate_again(call: NativeCall) -> NativeCall:
    """Return a call that waits with its caller as the token authenticates it now. Raises NotAuthenticated."""
    return authenticate(IncomingRequest(request=call.request, body=b"", wire=call.wire))


def authenticate(incoming: IncomingRequest[NativeSettings]) -> NativeCall:
    """The caller whose Bearer token came with the request. Raises NotAuthenticated."""
    token = _token(incoming)
    principal = (client_auth.authenticate_bearer if _is_long_lived(token) else tokens.authenticate)(token, incoming.on)
    by = Caller(principal=principal, address=remote_address(incoming.request))
    return Call(request=incoming.request, body=b"", wire=incoming.wire, by=by)


def authenticate_poll(incoming: IncomingRequest[NativeSettings]) -> NativeCall:
    """The caller of a poll, with the export that the path names. Raises NotAuthenticated."""
    token, job_id = _token(incoming), incoming.request.path_params["id"]
    read = client_auth.authenticate_poll if _is_long_lived(token) else tokens.authenticate_poll
    principal, polled = read(token, job_id, incoming.on)
    by = Caller(principal=principal, address=remote_address(incoming.request))
    return Call(request=incoming.request, body=b"", wire=incoming.wire, by=by, polled=polled)


def _token(incoming: IncomingRequest[NativeSettings]) -> str:
    token = credentials_of(authorization_of(incoming.request.headers), "bearer")
    if not token:
        raise NotAuthenticated("Send a token in the header Authorization: Bearer TOKEN.")
    return token


def _is_long_lived(token: str) -> bool:
    """A long-lived token is the credential's id, a dot and the secret; tokens of the token endpoint have no dot."""
    return "." in token
