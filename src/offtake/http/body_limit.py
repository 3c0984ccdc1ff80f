"""Limits of a request body: its size, per path, a deadline, and the number of bodies that the server waits for.

A body that its headers announce as too large, or as encoded, is refused before any of it is read: the client is not
asked to go on (100), and nothing is decompressed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from offtake.errors import Unavailable
from offtake.http.admission import client_address
from offtake.http.media_type import UnsupportedMedia
from offtake.http.traffic import Traffic, WaitingBody

_RETRY_SECONDS = 2
_IDENTITY = "identity"
_LONGEST_LENGTH = 18  # digits that are compared


class BodyRefused(HTTPException):
    """A body beyond a limit; ``reason`` names it."""

    reason: str


class BodyTooLarge(BodyRefused):
    """The body exceeds the size limit of its path (413)."""

    reason = "body_size"

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"The body is larger than {limit} bytes.")


class BodyTooSlow(BodyRefused):
    """The body did not arrive before the deadline (408).

    The connection is closed, because the rest of the body would be parsed as the next request.
    """

    reason = "body_timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(408, f"The body took longer than {seconds:g} seconds.", {"connection": "close"})


class BodyLimitMiddleware:
    """Refuses a body that exceeds the size limit of its path, or that takes longer than ``seconds`` to arrive."""

    def __init__(self, app: ASGIApp, limit_of: Callable[[str], int], seconds: float, traffic: Traffic) -> None:
        self._app = app
        self._limit_of = limit_of
        self._seconds = seconds
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a limited body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        waits = partial(self._traffic.body, address=client_address(scope))
        limit = self._limit_of(scope["path"])
        announced = _announced_fault(Headers(scope=scope), limit)
        body = _Body(receive, send, limit=limit, seconds=self._seconds, waits=waits, announced=announced)
        await self._app(scope, body.receive, body.send)


def _announced_fault(headers: Headers, limit: int) -> HTTPException | None:
    """Return why the body that the headers announce is refused, or None if it is read."""
    length = headers.get("content-length", "0")
    if length == "0" and "transfer-encoding" not in headers:
        return None
    if length.isdecimal() and int(length[:_LONGEST_LENGTH]) > limit:
        return BodyTooLarge(limit)
    codings = ",".join(headers.getlist("content-encoding")).lower().replace(" ", "").split(",")
    if set(codings) <= {"", _IDENTITY}:
        return None
    message = "The body has a Content-Encoding; send it without one."
    return UnsupportedMedia(message, {"accept-encoding": _IDENTITY})


class _Body:
    """Reads a request body within its limits.

    Once the response has begun, the application only listens for the client's disconnect, so the limits of the wait are
    lifted.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        *,
        limit: int,
        seconds: float,
        waits: Callable[[WaitingBody], AbstractContextManager[None]],
        announced: HTTPException | None,
    ) -> None:
        self._announced = announced
        self._waits = waits
        self._receive = receive
        self._send = send
        self._limit = limit
        self._seconds = seconds
        self._received = 0
        self._deadline: float | None = asyncio.get_running_loop().time() + seconds
        self._timeout: asyncio.Timeout | None = None  # set while ``receive`` waits
        self._is_expelled = False

    async def receive(self) -> Message:
        """Return the next message. Raises BodyTooLarge, BodyTooSlow, UnsupportedMedia and Unavailable."""
        if self._announced is not None and self._deadline is not None:
            raise self._announced
        if self._deadline is None:
            message = await self._receive()
        else:
            message = await self._wait()
        self._received += len(message.get("body", b""))
        if self._received > self._limit:
            raise BodyTooLarge(self._limit)
        if not message.get("more_body", False):
            self._deadline = None
        return message

    async def send(self, message: Message) -> None:
        """Pass a message of the response on and lift the deadline."""
        self._deadline = None
        if self._timeout is not None:
            self._timeout.reschedule(None)
        await self._send(message)

    def expel(self) -> None:
        """End the wait, because the server waits for too many bodies."""
        if self._timeout is not None and self._deadline is not None:  # no response has begun
            self._is_expelled = True
            self._timeout.reschedule(asyncio.get_running_loop().time())

    async def _wait(self) -> Message:
        try:
            with self._waits(self):
                async with asyncio.timeout_at(self._deadline) as self._timeout:
                    return await self._receive()
        except TimeoutError as error:
            if self._is_expelled:
                message = f"The server waits for too many other bodies; retry after {_RETRY_SECONDS} seconds."
                raise Unavailable(message, retry_after=_RETRY_SECONDS, reason="bodies") from error
            raise BodyTooSlow(self._seconds) from error
        finally:
            self._timeout = None
