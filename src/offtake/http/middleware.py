"""What happens to every request, from the outside in.

Where it comes from, an id and one log line, whether it is taken at all, a bound for its body, an answer to any error.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Scope

from offtake.errors import ExportError, InvalidRequest, OfftakeError, Waitable
from offtake.http.access_log import AccessLogMiddleware, RequestRecorder
from offtake.http.admission import AdmissionMiddleware, Traffic
from offtake.http.body_limit import BodyLimitMiddleware
from offtake.http.errors import ErrorSurface, HttpFault, Renderer
from offtake.http.proxies import Proxies, ProxyHeadersMiddleware

_LEFT = 499  # the client went away in the middle of its request; the number is nginx's, RFC 9110 has none


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """What holds for every request, whichever dialect it speaks."""

    max_body: int  # bytes
    body_seconds: float  # for the whole body, from the end of the headers
    traffic: Traffic
    proxies: Proxies
    record_request: RequestRecorder  # is told of every answered request


class UnsupportedMedia(HTTPException):
    """The body's declared type is not one that the endpoint reads."""

    def __init__(self, message: str) -> None:
        super().__init__(415, message)


def build_middleware(
    app: FastAPI, routers: Sequence[APIRouter], surfaces: Sequence[ErrorSurface], rules: RequestLimits
) -> ASGIApp:
    """The application, which has these routers, as served: each step wraps the one before it."""
    render = _renderer(surfaces)
    _answer_errors(app, routers, render)
    bounded = BodyLimitMiddleware(app, _limit(surfaces, rules.max_body), rules.body_seconds)
    taken = AdmissionMiddleware(bounded, render, rules.traffic)
    return ProxyHeadersMiddleware(AccessLogMiddleware(taken, render, rules.record_request), rules.proxies)


class DirectRoute(APIRoute):
    """A route whose endpoint reads the request itself.

    The framework does not fill in declared parameters, which would take a sixth of the time of a status poll. The
    endpoint finds path parameters, as text, in ``request.path_params``.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint itself."""

        async def handle(request: Request) -> Response:
            response: Response = await self.endpoint(request)
            return response

        return handle


def remote_address(request: Request) -> str | None:
    """Where the caller is, as far as the server may believe it."""
    return request.client.host if request.client else None


def _renderer(surfaces: Sequence[ErrorSurface]) -> Renderer:
    """The words of whoever owns the path; plain ones elsewhere."""

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
        return JSONResponse(body, 503, headers={"retry-after": str(error.retry_after)})
    return JSONResponse(body, 500)


def _allowed(routers: Sequence[APIRouter], scope: Scope) -> str:
    """Every method of a path: the framework names those of the first route that has it."""
    routes = (route for router in routers for route in router.routes if isinstance(route, Route))
    found = (route.methods or () for route in routes if route.matches(scope)[0] is not Match.NONE)
    return ", ".join(sorted({method for methods in found for method in methods}))


def _answer_errors(app: FastAPI, routers: Sequence[APIRouter], render: Renderer) -> None:
    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, OfftakeError)  # noqa: S101 - registered for that class only
        return render(error, request.url.path)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for that class only
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        if error.status_code == 405:
            headers["allow"] = _allowed(routers, request.scope)
        fault = HttpFault(status=error.status_code, message=error.detail, headers=headers)
        return render(fault, request.url.path)

    async def invalid(request: Request, error: Exception) -> Response:
        return render(InvalidRequest("The request is not valid."), request.url.path)

    async def defect(request: Request, error: Exception) -> Response:
        # Registered for Exception, this runs in the outermost of the framework's own layers, which raises the error
        # again for us to log.
        return render(HttpFault(status=500, message="The server made a mistake."), request.url.path)

    async def left(request: Request, error: Exception) -> Response:
        return Response(status_code=_LEFT)  # read by nobody, but counted

    app.add_exception_handler(Exception, defect)
    app.add_exception_handler(ClientDisconnect, left)
    app.add_exception_handler(ExportError, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)


def _limit(surfaces: Sequence[ErrorSurface], max_body: int) -> Callable[[str], int]:
    """How many bytes of a body a path takes."""
    own = [(surface, surface.max_body) for surface in surfaces if surface.max_body is not None]

    def limit(path: str) -> int:
        return next((size for surface, size in own if surface.owns(path)), max_body)

    return limit
