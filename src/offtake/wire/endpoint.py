"""The pipeline of every operation: authenticate, rate-limit, authorise, decode, act, encode.

A body is read after the first two steps, so that a client without credentials cannot make the server wait for one.

A dialect declares one ``Endpoint`` for each of its operations; an ``Endpoint`` names all six steps, and this module
runs them in that sequence. To write a new dialect, fill in the steps. A step refuses a request by raising an
``ExportError``; the dialect's error table turns that into an answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.types import Scope as AsgiScope

from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller
from offtake.core.services import Services
from offtake.errors import ExportError
from offtake.http.access_log import bind_log
from offtake.http.admission import enter_tenant
from offtake.http.errors import ErrorSurface, HttpFault
from offtake.http.middleware import DirectRoute, remote_address
from offtake.model.tenant import Scope
from offtake.wire.dialect import Dialect, Options, Wire
from offtake.wire.document import JSON, Operation

NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingRequest(Generic[Options]):
    """A request before authentication, with its body and the dialect that it addresses."""

    request: Request
    body: bytes  # empty until it is read, and if the endpoint has none
    wire: Wire[Options]

    @property
    def on(self) -> Services:
        """The core's services."""
        return self.wire.on

    @property
    def log_fields(self) -> Mapping[str, str]:
        """The sender's fields for the log line of the request; empty before authentication."""
        return {}

    def absolute(self, path: str) -> str:
        """Return the absolute URL of a path of this server, which clients use unchanged."""
        return self.wire.absolute(self.request, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(IncomingRequest[Options]):
    """An authenticated request."""

    by: Caller

    @property
    def settings(self) -> Options:
        """The dialect's options for the caller's tenant."""
        return self.wire.settings.of(self.by.principal.tenant)

    @property
    def log_fields(self) -> Mapping[str, str]:
        """Dialect, tenant, credential and the credential's name."""
        principal = self.by.principal
        return {
            "dialect": self.wire.dialect.name,
            "tenant": principal.tenant,
            "principal": principal.credential,
            "credential": principal.name,
        }


AnyCall = TypeVar("AnyCall", bound=IncomingRequest[Any])
CallerCall = TypeVar("CallerCall", bound=Call[Any])
Decoded = TypeVar("Decoded")
Result = TypeVar("Result")
RunInThread = Callable[..., Awaitable[Any]]  # runs a function with its arguments in a thread


def _never(wire: Wire[Any]) -> bool:
    return False


def _with_body(call: AnyCall, body: bytes) -> AnyCall:
    return replace(call, body=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission(Generic[Options, AnyCall]):
    """The first two steps of an operation, before its body is read. They may block: they run in a thread."""

    authenticate: Callable[[IncomingRequest[Options]], AnyCall]  # raises NotAuthenticated
    limit_rate: Callable[[AnyCall], Mapping[str, str]]  # headers with the remaining rate; raises RateExceeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(Admission[Options, AnyCall], Generic[Options, AnyCall, Decoded, Result]):
    """One operation of a dialect as six steps. The steps may block: they run in a thread."""

    authorise: Callable[[AnyCall], AnyCall]  # may set the impersonated user; raises NotPermitted
    decode: Callable[[AnyCall], Decoded]  # raises InvalidRequest
    act: Callable[[AnyCall, Decoded], Result]  # calls the core
    encode: Callable[[AnyCall, Decoded, Result], Response]
    has_body: bool = False
    with_body: Callable[[AnyCall, bytes], AnyCall] = _with_body  # adds the body to the authenticated call
    authenticates_by_body: bool = False  # the body may hold the credentials, so it is read first
    run_in_thread: RunInThread = run_in_threadpool
    runs_inline: Callable[[Wire[Options]], bool] = _never  # in the event loop, where a thread costs more than the work


def unlimited(call: IncomingRequest[Any]) -> Mapping[str, str]:
    """The rate-limit step of an operation that has no rate."""
    return NO_HEADERS


def permit(call: AnyCall) -> AnyCall:
    """The authorisation step of an operation that every authenticated caller may use."""
    return call


def require_scope(scope: Scope) -> Callable[[CallerCall], CallerCall]:
    """The authorisation step that raises NotPermitted unless the credentials have ``scope``."""

    def authorise(call: CallerCall) -> CallerCall:
        require(call.by.principal, scope)
        return call

    return authorise


def decode_nothing(call: IncomingRequest[Any]) -> None:
    """The decode step of an operation without parameters."""


def add_endpoints(
    routes: APIRouter,
    operations: Sequence[Operation],
    endpoints: Mapping[str, Endpoint[Options, Any, Any, Any]],
    wire: Wire[Options],
) -> None:
    """Add a route for each path of each operation. KeyError for an operation without an endpoint."""
    for operation in operations:
        handle = _handler(endpoints[operation.name], wire)
        for path in (operation.path, *operation.undocumented_paths):
            routes.add_api_route(path, handle, methods=operation.methods)


def add_document(routes: APIRouter, path: str, document: Mapping[str, Any], media_type: str = JSON) -> None:
    """Add a route for the OpenAPI document, which needs no credentials."""
    content = JSONResponse(document).body

    async def openapi(request: Request) -> Response:
        return Response(content, media_type=media_type)

    routes.add_api_route(path, openapi, methods=["GET", "HEAD"])


class DialectRouter(APIRouter):
    """The routes of a dialect, whose endpoints read requests themselves.

    The routes are compared only with paths that begin with one of the dialect's prefixes: comparing a path with the
    routes of all dialects would take longer than reading a job.
    """

    def __init__(self, name: str, errors: ErrorSurface) -> None:
        super().__init__(tags=[name], route_class=DirectRoute)
        self._prefixes = errors.prefixes

    def matches(self, scope: AsgiScope) -> tuple[Match, AsgiScope]:
        """Compare the path with the routes."""
        return super().matches(scope) if scope["path"].startswith(self._prefixes) else (Match.NONE, {})


def new_router(dialect: Dialect[Any]) -> APIRouter:
    """A router without routes for a dialect."""
    return DialectRouter(dialect.name, dialect.errors)


def run(endpoint: Endpoint[Options, AnyCall, Any, Any], incoming: IncomingRequest[Options]) -> Response:
    """The answer to a request. Raises ExportError and HTTPException, unless the answer has headers of a rate."""
    return finish(endpoint, *admit(endpoint, incoming))


def admit(
    endpoint: Admission[Options, AnyCall], incoming: IncomingRequest[Options]
) -> tuple[AnyCall, Mapping[str, str]]:
    """The authenticated call, and the headers of its rate. Raises ExportError, also if the tenant has too many."""
    with _noting_refusals(incoming):
        call = endpoint.authenticate(incoming)
    bind_log(incoming.request, **call.log_fields)
    if "tenant" in call.log_fields:
        enter_tenant(incoming.request.scope, call.log_fields["tenant"])
    return call, endpoint.limit_rate(call)


def finish(
    endpoint: Endpoint[Any, AnyCall, Any, Any],
    call: AnyCall,
    rate_headers: Mapping[str, str],
    body: bytes | None = None,
) -> Response:
    """The answer to an authenticated call; ``body`` is the one that was read after the authentication.

    Raises ExportError and HTTPException, unless the answer has headers of a rate.
    """
    if not rate_headers:
        return _run_authenticated(endpoint, call, body)
    try:
        response = _run_authenticated(endpoint, call, body)
    except (ExportError, HTTPException) as error:
        response = render_refusal(error, call)
    response.headers.update(rate_headers)
    return response


def _run_authenticated(endpoint: Endpoint[Any, AnyCall, Any, Any], call: AnyCall, body: bytes | None) -> Response:
    with _noting_refusals(call):
        if body is not None:
            call = endpoint.with_body(call, body)
        call = endpoint.authorise(call)
        decoded = endpoint.decode(call)
        result = endpoint.act(call, decoded)
        return endpoint.encode(call, decoded, result)


@contextmanager
def _noting_refusals(call: IncomingRequest[Any]) -> Iterator[None]:
    """Count a refusal of the block for the audit log."""
    try:
        yield
    except ExportError as error:
        note_refusal(call, error)
        raise


def note_refusal(call: IncomingRequest[Any], error: ExportError) -> None:
    """Count a refused request for the audit log. An endpoint calls it for a refusal that it does not raise."""
    fields = call.log_fields
    call.on.refusals.add(
        error,
        dialect=call.wire.dialect.name,
        address=remote_address(call.request),
        tenant=fields.get("tenant"),
        principal=fields.get("principal"),
    )


def render_refusal(error: ExportError | HTTPException, incoming: IncomingRequest[Any]) -> Response:
    """The answer to a refused request, in the words of its dialect."""
    if isinstance(error, ExportError):
        bind_log(incoming.request, error=error.code)
    answered = HttpFault(status=error.status_code, message=error.detail) if isinstance(error, HTTPException) else error
    return incoming.wire.dialect.errors.render(answered, incoming.request.url.path)


def _handler(
    endpoint: Endpoint[Options, Any, Any, Any], wire: Wire[Options]
) -> Callable[[Request], Awaitable[Response]]:
    runs_inline = endpoint.runs_inline(wire)

    run_in_thread: Callable[..., Awaitable[Response]] = endpoint.run_in_thread
    admit_in_thread: Callable[..., Awaitable[tuple[Any, Mapping[str, str]]]] = endpoint.run_in_thread

    async def handle(request: Request) -> Response:
        reads_body_first = endpoint.has_body and endpoint.authenticates_by_body
        incoming = IncomingRequest(request=request, body=await request.body() if reads_body_first else b"", wire=wire)
        if runs_inline:
            return run(endpoint, incoming)
        if reads_body_first or not endpoint.has_body:
            return await run_in_thread(run, endpoint, incoming)
        call, rate_headers = await admit_in_thread(admit, endpoint, incoming)
        return await run_in_thread(finish, endpoint, call, rate_headers, await request.body())

    return handle
