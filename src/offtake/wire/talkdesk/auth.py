"""Who calls: the Bearer token (Talkdesk contract 1.3)."""

from __future__ import annotations

from starlette.requests import Request

from offtake.core.auth import tokens
from offtake.core.auth.caller import Caller
from offtake.core.services import Services
from offtake.errors import NotAuthenticated
from offtake.http.middleware import remote_address


def caller(request: Request, on: Services) -> Caller:
    """Who the Bearer token stands for. Raises NotAuthenticated."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("The access token is missing, unknown or has expired.")
    return Caller(principal=tokens.authenticate(token.strip(), on), address=remote_address(request))
