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


def AdmissionMiddleware(app: ASGIApp, render: Renderer, traffic: Traffic) -> ASGIApp:
    """Count what runs, refuse what cannot."""

    async def admit(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await app(scope, receive, send)
            return
        refusal = traffic.refusal()
        if refusal is not None:
            scope[ROUTE] = _REFUSED
            response = render(refusal, scope["path"])
            response.headers["connection"] = "close"  # the next try should find another server, or another moment
            await response(scope, receive, send)
            return
        traffic.running += 1
        try:
            await app(scope, receive, send)
        finally:
            traffic.running -= 1

    return admit
