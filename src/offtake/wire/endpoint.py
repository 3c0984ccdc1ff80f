"""The pipeline of every operation: authenticate, rate-limit, authorise, decode, act, encode.

A dialect declares one ``Endpoint`` for each of its operations; an ``Endpoint`` names all six steps, and
``wire/pipeline.py`` runs them in that sequence. To write a new dialect, fill in the steps. A step refuses a request by
raising an ``ExportError``; the dialect's error table turns that into an answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller
from offtake.core.services import Services
from offtake.http.middleware import DirectRoute
from offtake.model.job import PolledJob
from offtake.model.tenant import Scope
from offtake.wire.dialect import Dialect, Options, Wire
from offtake.wire.document import JSON

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
    polled: PolledJob | None = None  # the job that the path names, if the authentication of a poll has read it

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


def add_document(routes: APIRouter, path: str, document: Mapping[str, Any], media_type: str = JSON) -> None:
    """Add a route for the OpenAPI document, which needs no credentials."""
    content = JSONResponse(document).body

    async def openapi(request: Request) -> Response:
        return Response(content, media_type=media_type)

    routes.add_api_route(path, openapi, methods=["GET", "HEAD"])


def new_router(dialect: Dialect[Any]) -> APIRouter:
    """A router without routes for a dialect, whose endpoints read requests themselves."""
    return APIRouter(tags=[dialect.name], route_class=DirectRoute)
