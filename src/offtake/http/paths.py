"""Serve a path with several slashes in a row, or with one at its end, as the path without them.

Clients build URLs from a base URL with a slash at its end and a path with one at its beginning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

_SENT = "offtake.sent_path"  # scope key: the path before it was changed
_SLASHES = re.compile(rb"//+")


class PathMiddleware:
    """Removes superfluous slashes from paths, except where a route matches the path as it was sent.

    An encoded slash (%2F) is none: it belongs to a segment. The ids of a dialect may contain slashes.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under its plain path."""
        if scope["type"] == "http":
            raw = scope.get("raw_path") or quote(scope["path"]).encode()  # ASGI: optional
            has_superfluous = b"//" in raw or (raw.endswith(b"/") and raw != b"/")
            if has_superfluous and not any(route.matches(scope)[0] is not Match.NONE for route in self._routes):
                plain = _SLASHES.sub(b"/", raw).rstrip(b"/") or b"/"
                scope[_SENT] = scope["path"]
                scope["raw_path"], scope["path"] = plain, unquote(plain.decode("ascii"))
        await self._app(scope, receive, send)


def sent_path(request: Request) -> str:
    """Return the path as the client sent it, decoded."""
    path: str = request.scope.get(_SENT, request.scope["path"])
    return path
