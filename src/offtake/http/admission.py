"""Whether a request is taken: not while the server stops, and not more at once than it can bear.

A refusal is said in the words of whoever owns the path, with Retry-After, so that clients of every dialect know what to
do. Probes are always answered.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from offtake.errors import Unavailable
from offtake.http.errors import Renderer

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})  # asked by machines that watch, again and again
ROUTE = "offtake.route"  # in the scope: what the log and the figures call the route of a request that took none
_REFUSED = "(refused)"
_RETRY_AFTER = 2  # seconds


class Traffic:
    """What is being answered. Changed on the event loop only."""

    def __init__(self, *, at_once: int) -> None:
        self.running = 0
        self.is_draining = False
        self._at_once = at_once

    def refusal(self) -> Unavailable | None:
        """Why a new request cannot be taken."""
        if self.is_draining:
            return Unavailable("The server is stopping; try again.", retry_after=_RETRY_AFTER)
        if self.running >= self._at_once:
            return Unavailable("The server answers as many requests as it may; try again.", retry_after=_RETRY_AFTER)
        return None


class AdmissionMiddleware:
    """Counts running requests and refuses new ones while the server drains or the concurrency limit is reached."""

    def __init__(self, app: ASGIApp, render: Renderer, traffic: Traffic) -> None:
        self._app = app
        self._render = render
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with the refusal. Probes are always passed on."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        refusal = self._traffic.refusal()
        if refusal is not None:
            scope[ROUTE] = _REFUSED
            response = self._render(refusal, scope["path"])
            response.headers["connection"] = "close"  # a retry should reach another server where there is one
            await response(scope, receive, send)
            return
        self._traffic.running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._traffic.running -= 1
