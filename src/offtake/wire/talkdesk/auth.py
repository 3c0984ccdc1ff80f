"""Authentication by Bearer token (Talkdesk contract 1.3)."""

from __future__ import annotations

from offtake.core.auth import tokens
from offtake.core.auth.caller import Caller
from offtake.errors import NotAuthenticated
from offtake.http.middleware import remote_address
from offtake.wire.endpoint import Call, IncomingRequest
from offtake.wire.talkdesk.settings import TalkdeskSettings

TalkdeskCall = Call[TalkdeskSettings]


def authenticate(incoming: IncomingRequest[TalkdeskSettings]) -> TalkdeskCall:
    """The caller whose Bearer token came with the request. Raises NotAuthenticated."""
    scheme, _, token = incoming.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("The access token is missing, unknown or has expired.")
    by = Caller(principal=tokens.authenticate(token.strip(), incoming.on), address=remote_address(incoming.request))
    return Call(request=incoming.request, body=incoming.body, wire=incoming.wire, by=by)
