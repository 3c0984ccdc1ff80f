"""The middleware of every request, from the outside in.

Proxy headers, plain path, headers of responses, access log, host, admission, body limit, error handlers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from offtake.errors import ExportError, InvalidRequest, OfftakeError, Throttled, Waitable
from offtake.http.access_log import (
    AccessLogMiddleware,
    RequestRecorder,
    bind_log,
    current_request,
    internal_server_error,
)
from offtake.http.admission import REFUSAL, AdmissionMiddleware
from offtake.http.body_limit import BodyLimitMiddleware, BodyRefused
from offtake.http.errors import ErrorSurface, HttpFault, Renderer, fault_of, retry_headers
from offtake.http.hosts import HostMiddleware, ServedHosts
from offtake.http.paths import PathMiddleware
from offtake.http.proxies import Proxies, ProxyHeadersMiddleware
from offtake.http.response_headers import ResponseHeadersMiddleware
from offtake.http.routing import RouteGroup
from offtake.http.traffic import Traffic

_CLIENT_CLOSED_REQUEST = 499  # nginx's status for a client that disconnected while sending; RFC 9110 has none


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """Limits and services that apply to the requests of every dialect."""

    max_body: int  # bytes
    body_seconds: float  # deadline of the whole body, from the end of the headers
    traffic: Traffic
    proxies: Proxies
    hosts: ServedHosts
    hsts_seconds: int
    record_request: RequestRecorder  # called with every completed request


def build_middleware(
    app: FastAPI, groups: Sequence[RouteGroup], surfaces: Sequence[ErrorSurface], rules: RequestLimits
) -> ASGIApp:
    """Install the error handlers on ``app`` and return it wrapped in the middleware."""
    render = _renderer(surfaces)
    _answer_errors(app, groups, render, rules.traffic)
    body_limit = BodyLimitMiddleware(app, _limit(surfaces, rules.max_body), rules.body_seconds, rules.traffic)
    admission = AdmissionMiddleware(body_limit, render, rules.traffic)
    host = HostMiddleware(admission, render, rules.hosts)
    access_log = AccessLogMiddleware(host, render, rules.record_request)
    headers = ResponseHeadersMiddleware(access_log, hsts_seconds=rules.hsts_seconds)
    return ProxyHeadersMiddleware(PathMiddleware(headers, groups), rules.proxies)


class DirectRoute(APIRoute):
    """A route whose endpoint reads the request itself.

    The framework does not fill in declared parameters, which would take a sixth of the time of a status poll. The
    endpoint finds path parameters, as text, in ``request.path_params``.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the response of the endpoint. The application's handlers answer what it raises."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)  # 405
            return
        response: Response = await self.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


def remote_address(request: Request) -> str | None:
    """Return the client's IP address, from a trusted proxy's headers where there are any."""
    return request.client.host if request.client else None


def _renderer(surfaces: Sequence[ErrorSurface]) -> Renderer:
    """Return a renderer that uses the surface that owns the path, or plain JSON."""

    def render(error: OfftakeError | HttpFault, path: str) -> Response:
        for surface in surfaces:
            if surface.owns(path):
                return surface.render(error, path)
        return _plain(error)

    return render


def _plain(error: OfftakeError | HttpFault) -> Response:
    if isinstance(error, HttpFault):
        body = {"code": "http", "message": error.message}
        return JSONResponse(body, error.status, headers=dict(error.headers))
    body = {"code": error.code, "message": error.message}
    if isinstance(error, Waitable):
        status = 429 if isinstance(error, Throttled) else 503
        return JSONResponse(body, status, headers=retry_headers(error))
    return JSONResponse(body, 500)


def _allowed(groups: Sequence[RouteGroup], path: str) -> str:
    """Return all methods of a path for the Allow header; the framework lists only those of the first matching route."""
    return ", ".join(sorted(set[str]().union(*(group.methods(path) for group in groups))))


def _answer_errors(app: FastAPI, groups: Sequence[RouteGroup], render: Renderer, traffic: Traffic) -> None:
    async def offtake_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, OfftakeError)  # noqa: S101 - registered for that class only
        bind_log(request, error=error.code)
        if isinstance(error, Waitable) and error.reason is not None:
            request.scope[REFUSAL] = error.reason
            await traffic.delay_refusal()
        return render(error, request.url.path)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for that class only
        fault = fault_of(error)
        if error.status_code == 405:
            fault = replace(fault, headers={**fault.headers, "allow": _allowed(groups, request.scope["path"])})
        if isinstance(error, BodyRefused):
            request.scope[REFUSAL] = error.reason
        return render(fault, request.url.path)

    async def invalid_request(request: Request, error: Exception) -> Response:
        return render(InvalidRequest("The request is not valid."), request.url.path)

    async def unexpected_error(request: Request, error: Exception) -> Response:
        # Starlette's outermost layer calls this, then raises the error again; AccessLogMiddleware logs it.
        return render(internal_server_error(current_request()), request.url.path)

    async def client_disconnect(request: Request, error: Exception) -> Response:
        return Response(status_code=_CLIENT_CLOSED_REQUEST)  # not sent; for log and metrics

    app.add_exception_handler(Exception, unexpected_error)
    app.add_exception_handler(ClientDisconnect, client_disconnect)
    app.add_exception_handler(ExportError, offtake_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid_request)


def _limit(surfaces: Sequence[ErrorSurface], max_body: int) -> Callable[[str], int]:
    """Return a function that gives the maximum body size of a path, in bytes."""
    limits = [(surface, surface.max_body) for surface in surfaces if surface.max_body is not None]

    def limit(path: str) -> int:
        return next((size for surface, size in limits if surface.owns(path)), max_body)

    return limit
