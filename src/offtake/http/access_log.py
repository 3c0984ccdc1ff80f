"""The access log: one id and one log line per request.

The log holds the matched route and the client's address. It never holds paths, query strings, headers or bodies,
because these contain tokens, signatures and filter values. An X-Request-Id of the client is used only if it is a UUID:
any other text could be a secret.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from offtake.errors import traceback_locations
from offtake.http.admission import PROBES, REFUSAL, ROUTE
from offtake.http.errors import HttpFault, Renderer

_log = structlog.get_logger("offtake.http")
_current_request: ContextVar[str] = ContextVar("offtake_request", default="")
_UUID = re.compile(r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedRequest:
    """A request after its response ended.

    ``bytes`` of the response body were passed to the connection; ``cut`` is true if the client disconnected before the
    end of the body.
    """

    method: str
    route: str | None  # its path template, or "(refused)"; None if no route matched
    status: int
    seconds: float
    bytes: int
    cut: bool
    refusal: str | None = None  # the limit, protecting the server, that refused it


RequestRecorder = Callable[[CompletedRequest], None]


def current_request() -> str:
    """Return the id of the current request, for response bodies that contain it."""
    return _current_request.get()


@contextmanager
def new_request() -> Iterator[str]:
    """Yield a new request id, which ``current_request`` returns within the block."""
    token = _current_request.set(uuid.uuid4().hex)
    try:
        yield _current_request.get()
    finally:
        _current_request.reset(token)


def bind_log(request: Request, **fields: object) -> None:
    """Add fields to the request's log line."""
    request.scope.setdefault("state", {}).setdefault("log", {}).update(fields)


class AccessLogMiddleware:
    """Writes one log line per request and renders unexpected errors in the dialect's format."""

    def __init__(self, app: ASGIApp, render: Renderer, record_request: RequestRecorder) -> None:
        self._app = app
        self._render = render
        self._record_request = record_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request, then log and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, response = time.monotonic(), _TrackedResponse(scope, receive, send)
        _current_request.set(response.request_id)
        try:
            await self._app(scope, receive, response.send)
        except Exception as error:  # noqa: BLE001 - the outermost loop of a request
            await _answer_unexpected(response, error, self._render)
        finally:
            _log_request(response, self._record_request, seconds=time.monotonic() - started)


class _TrackedResponse:
    """Adds the request id to the response and counts the bytes passed to the connection.

    Starlette stops sending when the client disconnects, so a response without its last message was cut short.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client_id = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
        self.request_id = client_id if client_id and _UUID.fullmatch(client_id) else uuid.uuid4().hex
        self.scope = scope
        self.receive = receive
        self.status = 0
        self.bytes = 0
        self.is_complete = False
        self._send = send

    async def send(self, message: Message) -> None:
        """Pass a message of the response on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message["headers"], (b"x-request-id", self.request_id.encode())]
            await self._send({**message, "headers": headers})
            return
        await self._send(message)
        self.bytes += 0 if self.scope["method"] == "HEAD" else len(message.get("body", b""))
        self.is_complete = not message.get("more_body", False)


async def _answer_unexpected(response: _TrackedResponse, error: Exception, render: Renderer) -> None:
    """Log an unexpected error, and answer it if no response was started."""
    _log.error(
        "request_defect",
        request=response.request_id,
        error_class=type(error).__name__,
        locations=traceback_locations(error),
    )
    if response.status == 0:
        fault = internal_server_error(response.request_id)
        await render(fault, response.scope["path"])(response.scope, response.receive, response.send)


def internal_server_error(request_id: str) -> HttpFault:
    """Return the fault of an unexpected error; the log holds the details under the same request id."""
    return HttpFault(status=500, message=f"Internal server error (request {request_id}).")


def _log_request(response: _TrackedResponse, record_request: RequestRecorder, *, seconds: float) -> None:
    scope = response.scope
    request = CompletedRequest(
        method=scope["method"],
        route=scope.get(ROUTE) or getattr(scope.get("route"), "path", None),
        status=response.status,
        seconds=seconds,
        bytes=response.bytes,
        cut=not response.is_complete,
        refusal=scope.get(REFUSAL),
    )
    record_request(request)
    log = _log.debug if scope["path"] in PROBES else _log.info  # several probes arrive every few seconds
    log(
        "request",
        request=response.request_id,
        method=request.method,
        route=request.route,
        status=request.status,
        milliseconds=round(seconds * 1000, 2),
        bytes=request.bytes,
        address=scope["client"][0] if scope.get("client") else None,
        **({"cut": True} if request.cut else {}),
        **({"refusal": request.refusal} if request.refusal else {}),
        **scope.get("state", {}).get("log", {}),
    )
