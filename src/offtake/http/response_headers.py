"""Headers of every response: no caching, and HTTPS only.

Responses hold links, tokens and the state of jobs, which change or must not be kept; a response that may be stored says
so itself.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ResponseHeadersMiddleware:
    """Adds ``Cache-Control: no-store`` to responses without Cache-Control, and HSTS (RFC 6797) to those over HTTPS.

    ``hsts_seconds`` is how long clients keep to HTTPS; 0 sends no such header.
    """

    def __init__(self, app: ASGIApp, *, hsts_seconds: int) -> None:
        self._app = app
        self._hsts = b"max-age=%d" % hsts_seconds if hsts_seconds else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add the headers to its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        hsts = self._hsts if scope["scheme"] == "https" else None

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                if not any(name.lower() == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                if hsts is not None:
                    headers.append((b"strict-transport-security", hsts))
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_with_headers)
