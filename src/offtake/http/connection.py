"""What a connection may cost before it has said what it wants.

uvicorn bounds the time between two requests, but neither the time a client takes to send its headers nor their size: a
few connections that send a byte a minute would stay for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState


class _TooLarge(Exception):
    """The request's headers are larger than they may be."""


class _BoundedProtocol(HttpToolsProtocol):
    """The clock runs from the connection's begin, or a request's first byte, to the end of its headers."""

    header_seconds: ClassVar[float]
    max_header_bytes: ClassVar[int]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._deadline: asyncio.TimerHandle | None = None
        self._received = 0  # bytes since the headers began
        self._is_too_large = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is not None:  # the parser keeps an unfinished line to itself, however long
            self._received += len(data)
        super().data_received(data)
        if self._deadline is not None and self._received > self.max_header_bytes and not self.transport.is_closing():
            self._is_too_large = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._start_clock()

    def on_headers_complete(self) -> None:
        self._stop_clock()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.max_header_bytes:
            self._is_too_large = True
            raise _TooLarge  # the parser stops, and uvicorn answers
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        if not self._is_too_large:
            super().send_400_response(msg)
            return
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
        self.transport.close()

    def _start_clock(self) -> None:
        if self._deadline is None:
            self._received = 0
            self._deadline = self.loop.call_later(self.header_seconds, self._too_slow)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()


def bounded_protocol(*, header_seconds: float, max_header_bytes: int) -> type[asyncio.Protocol]:
    """uvicorn's connection, with these bounds."""
    return type(
        "Guarded", (_BoundedProtocol,), {"header_seconds": header_seconds, "max_header_bytes": max_header_bytes}
    )
