"""Limits of a connection: a deadline and a maximum size for request headers.

uvicorn limits the idle time between two requests, but neither how long a client takes to send its headers nor their
size. Without these limits, slow clients could hold connections open indefinitely.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from offtake.http.upgrade import UpgradeIgnoringParser


class _HeadersTooLarge(Exception):
    """The request headers exceed ``max_header_bytes``."""


class _LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits on the request headers.

    The deadline runs from the start of the connection, or the first byte of a request, to the end of the headers.
    """

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
        self.parser: UpgradeIgnoringParser = UpgradeIgnoringParser(self)
        self._deadline: asyncio.TimerHandle | None = None
        self._received = 0  # bytes since the start of the headers
        self._is_too_large = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is not None:  # count here: the parser buffers an unfinished line of any length
            self._received += len(data)
        super().data_received(data)
        if self._deadline is not None and self._received > self.max_header_bytes and not self.transport.is_closing():
            self._is_too_large = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._start_deadline()

    def on_headers_complete(self) -> None:
        self._cancel_deadline()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.max_header_bytes:
            self._is_too_large = True
            raise _HeadersTooLarge  # stops the parser; uvicorn then calls send_400_response
        if not self.parser.is_parsed_again():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.parser.is_parsed_again():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if not self._is_too_large:
            super().send_400_response(msg)
            return
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
        self.transport.close()

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._received = 0
            self._deadline = self.loop.call_later(self.header_seconds, self._disconnect)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _disconnect(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()


def limited_protocol(*, header_seconds: float, max_header_bytes: int) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol class with these limits."""
    return type(
        "LimitedProtocol", (_LimitedProtocol,), {"header_seconds": header_seconds, "max_header_bytes": max_header_bytes}
    )
