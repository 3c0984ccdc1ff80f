"""The request body: a limit of bytes for each path, and a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyTooLarge(HTTPException):
    """Raised while reading; answered like any refusal by HTTP."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"The body is larger than {limit} bytes.")


class BodyTooSlow(HTTPException):
    """Raised while reading; the rest of the body would be taken for the next request, so the connection ends."""

    def __init__(self, seconds: float) -> None:
        super().__init__(408, f"The body took longer than {seconds:g} seconds.", {"connection": "close"})


class BodyLimitMiddleware:
    """Refuses a body that exceeds the limit of its path, announced or not, or that takes longer than ``seconds``."""

    def __init__(self, app: ASGIApp, limit_of: Callable[[str], int], seconds: float) -> None:
        self._app = app
        self._limit_of = limit_of
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a bounded body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, send, limit=self._limit_of(scope["path"]), seconds=self._seconds)
        await self._app(scope, body.receive, body.send)


class _Body:
    """A request's body on its way in. Once the answer has begun, nobody waits for the rest: what is still received is
    only whether the client leaves, for which there is no deadline."""

    def __init__(self, receive: Receive, send: Send, *, limit: int, seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._limit = limit
        self._seconds = seconds
        self._taken = 0
        self._deadline: float | None = asyncio.get_running_loop().time() + seconds
        self._clock: asyncio.Timeout | None = None  # while something is waited for

    async def receive(self) -> Message:
        """The next part. Raises BodyTooLarge and BodyTooSlow."""
        try:
            async with asyncio.timeout_at(self._deadline) as self._clock:
                message = await self._receive()
        except TimeoutError as error:
            raise BodyTooSlow(self._seconds) from error
        finally:
            self._clock = None
        self._taken += len(message.get("body", b""))
        if self._taken > self._limit:
            raise BodyTooLarge(self._limit)
        if not message.get("more_body", False):
            self._deadline = None
        return message

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on."""
        self._deadline = None
        if self._clock is not None:
            self._clock.reschedule(None)
        await self._send(message)
