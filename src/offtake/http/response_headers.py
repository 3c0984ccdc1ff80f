"""Headers of every response: no caching, and HTTPS only.

Responses hold links, tokens and the state of jobs, which change or must not be kept; a response that may be stored says
so itself.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ResponseHeadersMiddleware:
    """Adds ``Cache-Control: no-store`` to responses without Cache-Control, and HSTS (RFC 6797) to those over HTTPS.

    ``hsts_seconds`` is how long clients keep to HTTPS; 0 sends no such header.
    """

    def __init__(self, app: ASGIApp, *, hsts_seconds: int) -> None:
        self._app = app
        self._hsts = f"max-age={hsts_seconds}" if hsts_seconds else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add the headers to its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        hsts = self._hsts if scope["scheme"] == "https" else None

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message["headers"]))
                headers.setdefault("cache-control", "no-store")
                if hsts is not None:
                    headers["strict-transport-security"] = hsts
                message = {**message, "headers": headers.raw}
            await send(message)

        await self._app(scope, receive, send_with_headers)
