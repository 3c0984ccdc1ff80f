"""One id and one log line for every request, and what became of its answer.

Paths, query strings, headers and bodies never reach the log: they hold tokens, signatures and filter values. What is
logged of a path is the route it took. An id that the caller sends is taken over only where it looks like a UUID: any
other text could be a secret.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from offtake.errors import traceback_locations
from offtake.http.admission import PROBES, ROUTE
from offtake.http.errors import HttpFault, Renderer

_log = structlog.get_logger("offtake.http")
_current_request: ContextVar[str] = ContextVar("offtake_request", default="")
_UUID = re.compile(r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedRequest:
    """A request and what became of it. ``bytes`` of the body were handed to the connection; ``cut`` says that the
    client left before it had all of them."""

    method: str
    route: str | None  # as it was registered, or "(refused)"; None where the path leads nowhere
    status: int
    seconds: float
    bytes: int
    cut: bool


RequestRecorder = Callable[[CompletedRequest], None]


def current_request() -> str:
    """The id of the request that is being answered, for answers that have it in their body."""
    return _current_request.get()


def bind_log(request: Request, **fields: object) -> None:
    """Add fields to the request's log line."""
    request.scope.setdefault("state", {}).setdefault("log", {}).update(fields)


class AccessLogMiddleware:
    """Writes one log line for each request and answers unexpected errors in the dialect's words."""

    def __init__(self, app: ASGIApp, render: Renderer, record_request: RequestRecorder) -> None:
        self._app = app
        self._render = render
        self._record_request = record_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request, then log and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, response = time.monotonic(), _TrackedResponse(scope, receive, send)
        _current_request.set(response.request_id)
        try:
            await self._app(scope, receive, response.send)
        except Exception as error:  # noqa: BLE001 - the outermost loop of a request
            await _answer_defect(response, error, self._render)
        finally:
            _log_request(response, self._record_request, seconds=time.monotonic() - began)


class _TrackedResponse:
    """The answer on its way out: carries the id, and counts what was handed to the connection.

    The framework stops sending when the client leaves, so an answer that did not come to its end was cut.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = Headers(scope=scope).get("x-request-id", "")
        self.request_id = sent if _UUID.fullmatch(sent) else uuid.uuid4().hex
        self.scope = scope
        self.receive = receive
        self.status = 0
        self.bytes = 0
        self.is_whole = False
        self._send = send

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message["headers"], (b"x-request-id", self.request_id.encode())]
            await self._send({**message, "headers": headers})
            return
        await self._send(message)
        self.bytes += 0 if self.scope["method"] == "HEAD" else len(message.get("body", b""))
        self.is_whole = not message.get("more_body", False)


async def _answer_defect(answer: _TrackedResponse, error: Exception, render: Renderer) -> None:
    """Log what nobody expected, and answer what broke before the framework could."""
    _log.error(
        "request_defect",
        request=answer.request_id,
        kind=type(error).__name__,
        locations=traceback_locations(error),
    )
    if answer.status == 0:
        fault = HttpFault(status=500, message="The server made a mistake.")
        await render(fault, answer.scope["path"])(answer.scope, answer.receive, answer.send)


def _log_request(answer: _TrackedResponse, record_request: RequestRecorder, *, seconds: float) -> None:
    scope = answer.scope
    answered = CompletedRequest(
        method=scope["method"],
        route=scope.get(ROUTE) or getattr(scope.get("route"), "path", None),
        status=answer.status,
        seconds=seconds,
        bytes=answer.bytes,
        cut=not answer.is_whole,
    )
    record_request(answered)
    log = _log.debug if scope["path"] in PROBES else _log.info  # probes come every few seconds, from several places
    log(
        "request",
        request=answer.request_id,
        method=answered.method,
        route=answered.route,
        status=answered.status,
        milliseconds=round(seconds * 1000, 2),
        bytes=answered.bytes,
        **({"cut": True} if answered.cut else {}),
        **scope.get("state", {}).get("log", {}),
    )
