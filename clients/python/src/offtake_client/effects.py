"""What an operation of the client needs from the outside world.

Operations are generators (``Flow``): they yield an effect, and receive its result or its error. They contain all rules
of the client and do no network input or output, so one operation serves both drivers: ``blocking`` runs effects with
threads, ``asynchronous`` with tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """An HTTP request. ``auth`` is user and password of HTTP Basic."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str | Sequence[str]] = field(default_factory=dict)  # several values: repeated
    json: object = None
    form: Mapping[str, str] | None = None
    auth: tuple[str, str] | None = None
    timeout: float = 60.0  # seconds without a byte


@dataclass(frozen=True)
class Response:
    """An HTTP response. The names of the headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes = b""


class TransportFault(Exception):
    """The connection failed; the server may have acted on the request."""


class Sink(Protocol):
    """Receives the body of a streamed response."""

    def start(self, response: Response) -> bool:
        """Receive status and headers; return whether the body is wanted. Another body becomes the response's."""

    def write(self, chunk: bytes) -> bool:
        """Receive the next bytes of the body; return whether more are wanted."""


@dataclass(frozen=True)
class Send:
    """Send a request. Result: Response. Raises TransportFault."""

    request: Request


@dataclass(frozen=True)
class Stream:
    """Send a request and pass the body to a sink. Result: Response. Raises TransportFault."""

    request: Request
    sink: Sink


@dataclass(frozen=True)
class Sleep:
    """Pause for so many seconds. Result: None."""

    seconds: float


@dataclass(frozen=True)
class Offload:
    """Run a function that takes long without waiting for the network. Result: what it returns."""

    function: Callable[[], Any]


@dataclass(frozen=True)
class Parallel:
    """Run flows, at most ``limit`` at a time. Result: the list of their results. The first error ends the others."""

    flows: Sequence[Generator[Any, Any, Any]]
    limit: int


@dataclass(frozen=True)
class Emit:
    """Pass a value to the caller, who iterates over the operation. Result: None."""

    value: Any


Effect = Send | Stream | Sleep | Offload | Parallel | Emit
Flow = Generator[Effect, Any, T]
