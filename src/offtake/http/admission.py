"""Admission of requests: refuse them while the server shuts down or its concurrency limit is reached.

The error surface of the path renders the refusal, with Retry-After, so that clients of every dialect retry. Probes are
always admitted.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from offtake.errors import Unavailable
from offtake.http.errors import Renderer

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})  # polled by orchestrators and monitoring
ROUTE = "offtake.route"  # scope key: the route name for log and metrics where no route matched
REFUSED = "(refused)"  # the route of a request that was refused before routing
_RETRY_AFTER = 2  # seconds


class Traffic:
    """Number of running requests and the draining flag. Modified on the event loop only."""

    def __init__(self, *, limit: int) -> None:
        self.running = 0
        self.is_draining = False
        self._limit = limit

    def refusal(self) -> Unavailable | None:
        """Return why a new request is refused, or None to admit it."""
        if self.is_draining:
            message = f"The server is shutting down; retry after {_RETRY_AFTER} seconds."
            return Unavailable(message, retry_after=_RETRY_AFTER)
        if self.running >= self._limit:
            message = f"Concurrency limit reached; retry after {_RETRY_AFTER} seconds."
            return Unavailable(message, retry_after=_RETRY_AFTER)
        return None


class AdmissionMiddleware:
    """Counts running requests and refuses new ones while the server drains or the concurrency limit is reached."""

    def __init__(self, app: ASGIApp, render: Renderer, traffic: Traffic) -> None:
        self._app = app
        self._render = render
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with the refusal."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        refusal = self._traffic.refusal()
        if refusal is not None:
            scope[ROUTE] = REFUSED
            response = self._render(refusal, scope["path"])
            response.headers["connection"] = "close"  # so that a retry can reach another server
            await response(scope, receive, send)
            return
        self._traffic.running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._traffic.running -= 1
