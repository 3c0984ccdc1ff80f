"""Limits of a connection: deadlines for the headers of a request and for the client's reading, the size of headers, and
the number of pipelined requests.

uvicorn limits the idle time between two requests only. Without these limits, slow clients could hold connections open
indefinitely, and with them the memory of what they do not read. It also parses all that arrives in one piece, maybe
thousands of pipelined requests.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar, cast
from urllib.parse import unquote

import httptools
from starlette.responses import Response
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from offtake.http.access_log import new_request
from offtake.http.admission import REFUSAL
from offtake.http.errors import HttpFault
from offtake.http.limits import ConnectionLimits
from offtake.http.traffic import Traffic
from offtake.http.upgrade import UpgradeIgnoringParser

_HEADER_SIZE = "header_size"
_MOST_PIPELINED = 4  # parsed requests that wait for the response to another one; further ones wait as bytes
_PIECE_BYTES = 512  # that are parsed at a time, so that no more than about thirty requests are parsed before a check
_REST_SECONDS = 2.0  # for the rest of a body that was refused before it had arrived
_UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_NOT_HTTP = HttpFault(
    status=400,
    code="malformed_request",
    message="The request is not valid HTTP/1.1; send its request line and headers as RFC 9112 describes.",
)
# Answers a request that is refused before it is parsed; None: the path's dialect has no form of its own for it.
UnparsedRenderer = Callable[[HttpFault, str], Response | None]


class _Refused(Exception):
    """A request is refused while its headers are parsed."""


class _Flow(FlowControl):
    """uvicorn's flow control, which reads nothing while bytes that were read wait for the parser."""

    is_held = False

    def resume_reading(self) -> None:
        if not self.is_held:
            super().resume_reading()


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits on headers, reading clients and the number of connections.

    The deadline of the headers runs from the start of the connection, or the first byte of a request, to the end of the
    headers. A client is measured while it leaves bytes of the server unread.
    """

    limits: ClassVar[ConnectionLimits]
    traffic: ClassVar[Traffic]
    render_unparsed: ClassVar[UnparsedRenderer]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.parser: UpgradeIgnoringParser = UpgradeIgnoringParser(self)
        self._deadline: asyncio.TimerHandle | None = None  # of the headers
        self._rest: asyncio.TimerHandle | None = None  # deadline for the rest of a body that is not needed
        self._progress: asyncio.TimerHandle | None = None  # next measurement of a client that reads
        self._unsent = 0  # bytes at the last measurement
        self._received = 0  # bytes since the start of the headers
        self._unparsed = b""  # bytes behind the pipelined requests that are parsed
        self._has_begun = False  # whether a request has begun and its headers are not complete
        self._is_within_headers = False  # whether the unparsed bytes continue headers
        self._is_refused = False
        self._fault: str | None = None  # the limit that a request exceeds
        self._accepted: socket.socket | None = None  # during a TLS handshake

    # --- the connection ---

    def count_accepted(self, accepted: socket.socket) -> bool:
        """Count a connection before its TLS handshake, after which ``connection_made`` is called. Return False if it is
        refused."""
        try:
            host = accepted.getpeername()[0]
        except OSError:  # the client has gone
            return False
        self._accepted = accepted
        return self.traffic.connections.add(self, host)

    def forget_accepted(self) -> None:
        """The TLS handshake has failed."""
        self.traffic.connections.remove(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self.flow: _Flow = _Flow(self.transport)
        is_counted, self._accepted = self._accepted is not None, None
        if is_counted or self.traffic.connections.add(self, self.client[0] if self.client else None):
            self._start_deadline()
        else:
            self._is_refused = True
            self._refuse(_UNAVAILABLE)

    def connection_lost(self, exc: Exception | None) -> None:
        self.traffic.connections.remove(self)
        self._unparsed = b""
        self._cancel_deadline()
        self._cancel_rest()
        self._stop_measuring()
        super().connection_lost(exc)

    def evict(self) -> None:
        """Close the connection at once, for another one."""
        if self._accepted is None:
            self.transport.abort()
            return
        with suppress(OSError):
            self._accepted.shutdown(socket.SHUT_RDWR)  # ends the handshake, which closes the socket

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():  # the client has left the response unread for that long
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    # --- requests ---

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self._unparsed or self.pipeline or len(data) > _PIECE_BYTES:
            self._unparsed += data
            self._parse_unparsed()
        else:
            self._parse(data)

    def _parse_unparsed(self) -> None:
        """Parse the bytes that wait, as long as few pipelined requests do. Read no more until then."""
        rest, self._unparsed = memoryview(self._unparsed), b""
        if self._is_within_headers:
            self._is_within_headers = False
            self._start_deadline()
        while rest and len(self.pipeline) < _MOST_PIPELINED and not self.transport.is_closing():
            self._parse(rest[:_PIECE_BYTES])
            rest = rest[_PIECE_BYTES:]
        if self.transport.is_closing():
            return
        self.flow.is_held = bool(rest)
        if rest:
            self._unparsed = bytes(rest)
            self.flow.pause_reading()
            if self._deadline is not None:  # the client cannot send the rest of the headers
                self._is_within_headers = True
                self._cancel_deadline()

    def _parse(self, data: bytes | memoryview) -> None:
        if self._deadline is not None:  # count here: the parser buffers an unfinished line of any length
            self._received += len(data)
        super().data_received(data)  # type: ignore[arg-type]  # the parser accepts any buffer
        if self.transport.is_closing():
            return
        if self._deadline is not None and self._received > self.limits.max_header_bytes:
            self._fault = _HEADER_SIZE
            self.send_400_response("")
        elif self._is_idle and not (self._deadline or self._rest or self.timeout_keep_alive_task):
            self._start_deadline()  # empty lines have ended uvicorn's timeout, and no request has begun

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._has_begun = True
        self._start_deadline()

    def on_headers_complete(self) -> None:
        self._cancel_deadline()
        self.traffic.connections.set_busy(self)
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.limits.max_header_bytes:
            self._fault = _HEADER_SIZE
            raise _Refused  # stops the parser; uvicorn then calls send_400_response
        self._has_begun = False
        if not self.parser.is_parsed_again():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self.parser.is_parsed_again():
            return
        super().on_message_complete()
        if self._rest is not None:
            self._cancel_rest()
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._unparsed and not self.transport.is_closing() and len(self.pipeline) < _MOST_PIPELINED:
            self._parse_unparsed()
            self.flow.resume_reading()
        if self.transport.is_closing():
            self._measure_later()
        elif self._is_idle:
            self.traffic.connections.set_idle(self)
            if self.cycle.more_body:  # the client still sends a body that the response did not need
                self._rest = self.loop.call_later(_REST_SECONDS, self._close)

    def send_400_response(self, msg: str) -> None:
        if self._fault is not None:
            self._record(self._fault)
            if not self._is_idle:  # a response is being sent
                self.transport.abort()
                return
        response = self._render_fault() if self._is_idle else None
        if response is not None:
            self._refuse(response)
        elif self._fault is not None:
            self._refuse(_TOO_LARGE)
        else:
            super().send_400_response(msg)
            self._measure_later()

    def _render_fault(self) -> bytes | None:
        """Return the answer of the path's dialect to the refused request, if it has a form for it."""
        most = self.limits.max_header_bytes
        message = f"The request line and the headers have more than {most} bytes; send fewer or shorter ones."
        fault = _NOT_HTTP if self._fault is None else HttpFault(status=431, message=message)
        with new_request() as request_id:
            response = type(self).render_unparsed(fault, self._path_begun())
        if response is None:
            return None
        headers = [*response.raw_headers, (b"connection", b"close"), (b"x-request-id", request_id.encode())]
        lines = [b"%s: %s\r\n" % header for header in headers]
        return b"".join((STATUS_LINE[response.status_code], *lines, b"\r\n", bytes(response.body)))

    def _path_begun(self) -> str:
        """Return the path of the request whose head is incomplete; empty if there is none."""
        try:
            path = httptools.parse_url(self.url).path if self._has_begun else None
        except httptools.HttpParserInvalidURLError:
            path = None
        return unquote((path or b"").decode("ascii", "replace"))

    # --- clients that do not read ---

    def pause_writing(self) -> None:
        super().pause_writing()
        self._measure_later()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_measuring()

    def _measure_later(self) -> None:
        self._stop_measuring()
        self._unsent = self.transport.get_write_buffer_size()
        self._progress = self.loop.call_later(self.limits.write_seconds, self._measure)

    def _measure(self) -> None:
        """Disconnect a client that has received less than the minimum since the last measurement."""
        received = self._unsent - self.transport.get_write_buffer_size()
        if received >= self.limits.min_bytes_per_second * self.limits.write_seconds:
            self._measure_later()
            return
        self._progress = None
        if self.cycle is None or self.cycle.response_complete:
            self._record("slow_reader")
        else:
            cast(dict[str, Any], self.cycle.scope)[REFUSAL] = "slow_reader"  # counted with the request
        self.transport.abort()

    def _stop_measuring(self) -> None:
        if self._progress is not None:
            self._progress.cancel()
            self._progress = None

    # --- deadlines ---

    @property
    def _is_idle(self) -> bool:
        """Whether there is no request, or only one that has been answered."""
        return self.cycle is None or self.cycle.response_complete

    def _record(self, reason: str) -> None:
        self.traffic.record_connection(reason, self.client[0] if self.client else None)

    def _refuse(self, response: bytes) -> None:
        self.transport.write(response)
        self._close()

    def _close(self) -> None:
        """Close the connection once the client has read what is left; it is measured until then."""
        self.transport.close()
        self._measure_later()

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._received = 0
            self._deadline = self.loop.call_later(self.limits.header_seconds, self._disconnect)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _disconnect(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self._record("header_timeout")
            self._close()

    def _cancel_rest(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None


def _render_none(fault: HttpFault, path: str) -> Response | None:
    return None


def limited_protocol(
    limits: ConnectionLimits, traffic: Traffic, render_unparsed: UnparsedRenderer = _render_none
) -> type[LimitedProtocol]:
    """Return uvicorn's protocol class with these limits."""
    members = {"limits": limits, "traffic": traffic, "render_unparsed": staticmethod(render_unparsed)}
    return type("LimitedProtocol", (LimitedProtocol,), members)
