"""Load over keep-alive HTTP/1.1 sockets, cheap enough not to dominate what is measured.

The dialect clients build the requests; each becomes bytes once and is sent many times. Of a response only the status
and the length are read.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import httpx

_BUFFER_BYTES = 1 << 20
_TIMEOUT_SECONDS = 60
_HEADERS = (
    "authorization",
    "content-type",
    "prefer",
)  # of the dialect client's request; all others cost time and do nothing


@dataclass(frozen=True, slots=True)
class Response:
    """A response that was read to its end."""

    status: int
    seconds: float
    body_bytes: int


def encode(request: httpx.Request) -> bytes:
    """Encode a whole request."""
    body = request.read()
    fields = {"Host": request.url.netloc.decode(), "Content-Length": str(len(body))}
    fields |= {name: request.headers[name] for name in _HEADERS if name in request.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Connection:
    """One keep-alive connection to the server of ``url``."""

    def __init__(self, url: httpx.URL) -> None:
        self._socket = socket.create_connection((url.host, url.port or 80), timeout=_TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(_BUFFER_BYTES)

    def send(self, request: bytes) -> Response:
        """Send a request and read its response to the end. Raises ConnectionError."""
        began = time.perf_counter()
        self._socket.sendall(request)
        status, length, received = self._read_head()
        left = length - received
        while left > 0:
            size = self._socket.recv_into(self._buffer, min(left, _BUFFER_BYTES))
            if not size:
                raise ConnectionError("the server closed the connection within a response")
            left -= size
        return Response(status, time.perf_counter() - began, length)

    def _read_head(self) -> tuple[int, int, int]:
        """Return the status, the length of the body, and how many of its bytes came with the head."""
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            chunk = self._socket.recv(65536)
            if not chunk:
                raise ConnectionError("the server closed the connection before a response")
            data += chunk
        head = data[:end].lower()
        at = head.find(b"\r\ncontent-length:")
        length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        return int(data[9:12]), length, len(data) - end - 4

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def closed_loop(request: httpx.Request, *, connections: int, seconds: float) -> list[Response]:
    """Send the request for so many seconds, on each connection again as soon as its response is read."""
    deadline = time.perf_counter() + seconds
    encoded = encode(request)

    def run(connection: Connection) -> list[Response]:
        responses: list[Response] = []
        while time.perf_counter() < deadline:
            responses.append(connection.send(encoded))
        return responses

    return _on_each(request.url, connections, run)


def open_loop(request: httpx.Request, *, times: int, connections: int, rate: float) -> list[Response]:
    """Send the request so many times, ``rate`` times a second however long responses take.

    Each response is timed from the instant its request was due.
    """
    lock = threading.Lock()
    numbers = iter(range(times))
    start = time.perf_counter() + 0.1
    encoded = encode(request)

    def run(connection: Connection) -> list[Response]:
        responses: list[Response] = []
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return responses
            due = start + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            response = connection.send(encoded)
            responses.append(Response(response.status, time.perf_counter() - due, response.body_bytes))

    return _on_each(request.url, connections, run)


def _on_each(url: httpx.URL, connections: int, run: Callable[[Connection], list[Response]]) -> list[Response]:
    def connected(_: int) -> Sequence[Response]:
        with Connection(url) as connection:
            return run(connection)

    with ThreadPoolExecutor(connections) as threads:
        return [response for responses in threads.map(connected, range(connections)) for response in responses]
