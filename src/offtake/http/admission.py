"""Admission of requests: refuse them while the server shuts down or a limit is reached.

The error surface of the path renders the refusal, with Retry-After, so that clients of every dialect retry. Probes are
always admitted.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from offtake.http.errors import Renderer
from offtake.http.traffic import Traffic
from offtake.http.turns import Turns
from offtake.model.client_network import client_network

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})  # polled by orchestrators and monitoring
ROUTE = "offtake.route"  # scope key: the route name for log and metrics where no route matched
REFUSAL = (
    "offtake.refusal"  # scope key: the limit, protecting the server, that refused the request; for log and metrics
)
TRAFFIC = "offtake.traffic"  # scope key: the Traffic of the server
_TENANT = "offtake.tenant"
REFUSED = "(refused)"  # the route of a request that was refused before routing


class AdmissionMiddleware:
    """Counts running requests and refuses new ones while the server drains or a limit is reached."""

    def __init__(self, app: ASGIApp, render: Renderer, traffic: Traffic) -> None:
        self._app = app
        self._render = render
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with the refusal."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        address = client_address(scope)
        await self._traffic.turns_of_address.one_of_this_moment(address)
        refusal = self._traffic.refusal(address)
        if refusal is not None:
            scope[ROUTE], scope[REFUSAL] = REFUSED, refusal.reason
            response = self._render(refusal, scope["path"])
            response.headers["connection"] = "close"  # so that a retry can reach another server
            await response(scope, receive, send)
            return
        scope[TRAFFIC] = self._traffic
        try:
            with self._traffic.request(address):
                await self._app(scope, receive, send)
        finally:
            if _TENANT in scope:
                self._traffic.leave_tenant(scope[_TENANT])


def enter_tenant(scope: Scope, tenant: str) -> None:
    """Count an authenticated request as one of the tenant. Raises Throttled at the tenant's limit. Thread-safe."""
    scope[TRAFFIC].enter_tenant(tenant)
    scope[_TENANT] = tenant


def turns_in_loop(scope: Scope) -> Turns:
    """Return the turns of tenants for work in the event loop."""
    traffic: Traffic = scope[TRAFFIC]
    return traffic.turns_in_loop


def turns_in_threads(scope: Scope) -> Turns:
    """Return the turns of tenants for work in threads."""
    traffic: Traffic = scope[TRAFFIC]
    return traffic.turns_in_threads


def client_address(scope: Scope) -> str:
    """Return the address by which limits tell clients apart: from a trusted proxy's headers where there are any."""
    return client_network(scope["client"][0] if scope.get("client") else None)
