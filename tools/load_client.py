"""A small HTTP/1.1 load client over keep-alive sockets: cheap enough not to be what is measured.

Requests are bytes made beforehand; of an answer only the status and the length are read.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one answer."""

    status: int
    seconds: float
    body_bytes: int


def request_bytes(method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """One whole request."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    fields = {"Host": parts.netloc, "Content-Length": str(len(body)), **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Connection:
    """One keep-alive connection to the server of ``url``."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(_BUFFER)

    def ask(self, request: bytes) -> Answer:
        """Send a request and read its answer to the end."""
        began = time.perf_counter()
        self._socket.sendall(request)
        status, length, have = self._head()
        left = length - have
        while left > 0:
            got = self._socket.recv_into(self._buffer, min(left, _BUFFER))
            if not got:
                raise ConnectionError("the server closed the connection within an answer")
            left -= got
        return Answer(status, time.perf_counter() - began, length)

    def _head(self) -> tuple[int, int, int]:
        """Status, length of the body, and how much of it came with the head."""
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            chunk = self._socket.recv(65536)
            if not chunk:
                raise ConnectionError("the server closed the connection before an answer")
            data += chunk
        head = data[:end].lower()
        at = head.find(b"\r\ncontent-length:")
        length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        return int(data[9:12]), length, len(data) - end - 4

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def closed_loop(url: str, request: bytes, *, connections: int, seconds: float) -> list[Answer]:
    """Each connection asks again as soon as it is answered, for that long."""
    deadline = time.perf_counter() + seconds

    def run(connection: Connection) -> list[Answer]:
        answers: list[Answer] = []
        while time.perf_counter() < deadline:
            answers.append(connection.ask(request))
        return answers

    return _on_each(url, connections, run)


def open_loop(url: str, requests: Sequence[bytes], *, connections: int, rate: float) -> list[Answer]:
    """``rate`` requests a second, whatever the answers take; each is timed from the instant it was due."""
    lock = threading.Lock()
    waiting = iter(enumerate(requests))
    start = time.perf_counter() + 0.1

    def run(connection: Connection) -> list[Answer]:
        answers: list[Answer] = []
        while True:
            with lock:
                number, request = next(waiting, (0, b""))
            if not request:
                return answers
            due = start + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            answer = connection.ask(request)
            answers.append(Answer(answer.status, time.perf_counter() - due, answer.body_bytes))

    return _on_each(url, connections, run)


def _on_each(url: str, connections: int, run: Callable[[Connection], list[Answer]]) -> list[Answer]:
    def connected(_: int) -> list[Answer]:
        with Connection(url) as connection:
            return run(connection)

    with ThreadPoolExecutor(connections) as threads:
        return [answer for answers in threads.map(connected, range(connections)) for answer in answers]
