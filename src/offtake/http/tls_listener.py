"""Accepts the connections of a TLS server, and counts them before their handshakes.

asyncio calls a connection's protocol after the handshake only. Clients that never finish theirs would hold connections
that no limit counts, until the process has no file descriptors left.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from offtake.http.protocol import LimitedProtocol

_MOST_AT_ONCE = 64  # accepted connections before other work of the event loop continues
_PAUSE_SECONDS = 1.0  # after a failure to accept, such as one for want of file descriptors; as in asyncio


class TlsListener:
    """Accepts connections from its creation on, like an ``asyncio.Server``. Use it in the event loop only."""

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], LimitedProtocol],
        context: ssl.SSLContext,
        *,
        handshake_seconds: float,
        backlog: int,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._protocol = protocol
        self._context = context
        self._handshake_seconds = handshake_seconds
        self._handshakes: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        listener.listen(backlog)
        self._resume()

    def close(self) -> None:
        """Accept no more connections, and end those in their handshake."""
        self._stop()
        for task in self._handshakes:
            task.cancel()

    async def wait_closed(self) -> None:
        """Wait until all handshakes have ended."""
        await asyncio.gather(*self._handshakes, return_exceptions=True)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def _stop(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener.fileno())

    def _accept(self) -> None:
        for _ in range(_MOST_AT_ONCE):
            try:
                accepted, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                self._stop()
                self._pause = self._loop.call_later(_PAUSE_SECONDS, self._resume)
                return
            accepted.setblocking(False)
            protocol = self._protocol()
            if not protocol.count_accepted(accepted):
                accepted.close()
                continue
            task = self._loop.create_task(self._shake_hands(accepted, protocol))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, accepted: socket.socket, protocol: LimitedProtocol) -> None:
        has_succeeded = False
        try:
            with suppress(OSError):  # also for SSLError and TimeoutError: the client is at fault, or has gone
                await self._loop.connect_accepted_socket(
                    lambda: protocol,
                    accepted,
                    ssl=self._context,
                    ssl_handshake_timeout=self._handshake_seconds,
                    ssl_shutdown_timeout=self._handshake_seconds,
                )
                has_succeeded = True
        finally:
            if not has_succeeded:
                protocol.forget_accepted()
