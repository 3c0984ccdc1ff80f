"""One id and one log line for every request, and what became of its answer.

Paths, query strings, headers and bodies never reach the log: they hold tokens, signatures and filter values. What is
logged of a path is the route it took. An id that the caller sends is taken over only where it looks like a UUID: any
other text could be a secret.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from offtake.errors import places
from offtake.wire.admission import PROBES
from offtake.wire.dialect import HttpFault, Renderer

_log = structlog.get_logger("offtake.http")
_current_request: ContextVar[str] = ContextVar("offtake_request", default="")
_UUID = re.compile(r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request and what became of it. ``bytes`` of the body were handed to the connection; ``cut`` says that the
    client left before it had all of them."""

    method: str
    route: str | None  # as it was registered; None where the path leads nowhere
    status: int
    seconds: float
    bytes: int
    cut: bool


Heard = Callable[[Answered], None]


def current_request() -> str:
    """The id of the request that is being answered, for answers that have it in their body."""
    return _current_request.get()


def bind_log(request: Request, **fields: object) -> None:
    """Add fields to the request's log line."""
    request.scope.setdefault("state", {}).setdefault("log", {}).update(fields)


def observed(app: ASGIApp, render: Renderer, heard: Heard) -> ASGIApp:
    """One log line a request; an error nobody expected is answered in the dialect's words and logged by kind."""

    async def observe(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began, answer = time.monotonic(), _Answer(scope, receive, send)
        _current_request.set(answer.request_id)
        try:
            await app(scope, receive, answer.send)
        except Exception as error:  # noqa: BLE001 - the outermost loop of a request
            await _mend(answer, error, render)
        finally:
            answer.close()
            _line(answer, heard, seconds=time.monotonic() - began)

    return observe


class ClientLeft(Exception):
    """Nobody is there any more to send the rest to."""


class _Answer:
    """The answer on its way out: carries the id, counts bytes, and stops once the client has left.

    uvicorn takes what is sent to a closed connection without a word. So a long answer is accompanied by somebody who
    listens for the end of the connection.
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
        self._leaving: asyncio.Task[None] | None = None

    @property
    def has_left(self) -> bool:
        """Whether the client is gone, as far as a long answer knows."""
        return self._leaving is not None and self._leaving.done()

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on. Raises ClientLeft."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message["headers"], (b"x-request-id", self.request_id.encode())]
            await self._send({**message, "headers": headers})
            return
        more = message.get("more_body", False)
        if more and self._leaving is None:
            self._leaving = asyncio.create_task(self._listen())
        if self._leaving is not None:
            # Waits until what was sent before is nearly out, so that who left meanwhile is noticed even at the end.
            await self._send({"type": "http.response.body", "body": b"", "more_body": True})
            await asyncio.sleep(0)
            if self.has_left:
                raise ClientLeft
        await self._send(message)
        self.bytes += 0 if self.scope["method"] == "HEAD" else len(message.get("body", b""))
        self.is_whole = not more

    async def _listen(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def close(self) -> None:
        """Stop listening."""
        if self._leaving is not None:
            self._leaving.cancel()


async def _mend(answer: _Answer, error: Exception, render: Renderer) -> None:
    """Answer what broke before the framework could, and log what was no business of the client's."""
    if answer.has_left:
        return
    _log.error("request_defect", request=answer.request_id, kind=type(error).__name__, places=places(error))
    if answer.status == 0:
        fault = HttpFault(status=500, message="The server made a mistake.")
        with suppress(ClientLeft):
            await render(fault, answer.scope["path"])(answer.scope, answer.receive, answer.send)


def _line(answer: _Answer, heard: Heard, *, seconds: float) -> None:
    scope = answer.scope
    answered = Answered(
        method=scope["method"],
        route=getattr(scope.get("route"), "path", None),
        status=answer.status,
        seconds=seconds,
        bytes=answer.bytes,
        cut=not answer.is_whole,
    )
    heard(answered)
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
