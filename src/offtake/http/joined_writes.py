"""Sends the head and the body of a response together.

uvicorn writes them one after the other. Each write is a system call that wakes the client, which takes about as long as
all statements of a status poll.
"""

from __future__ import annotations

import asyncio
from typing import Any

_MOST_JOINED = 65_536  # bytes of a write that is copied to be sent with the one before it


class JoinedWrites(asyncio.Transport):
    """A transport that holds a small write until the next one, at most until the next round of the event loop.

    It passes everything else on to the transport of the connection. Used in the event loop only.
    """

    __slots__ = ("_held", "_is_scheduled", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held: bytes = b""
        self._is_scheduled = False

    def write(self, data: Any) -> None:
        """Send the data with what is held, or hold them if nothing is."""
        held = self._held
        if held:
            self._held = b""
            if len(data) <= _MOST_JOINED:
                self._transport.write(b"".join((held, data)))
            else:
                self._transport.write(held)
                self._transport.write(data)
        elif len(data) > _MOST_JOINED:
            self._transport.write(data)
        else:
            self._held = bytes(data)
            if not self._is_scheduled:
                self._is_scheduled = True
                self._loop.call_soon(self._end_round)

    def close(self) -> None:
        """Send what is held, then close the connection."""
        self._send_held()
        self._transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self._held = b""
        self._transport.abort()

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that are not sent yet."""
        return self._transport.get_write_buffer_size() + len(self._held)

    def is_closing(self) -> bool:
        """Whether the connection is closed or being closed."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """Read no more of the connection."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read the connection again."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return a property of the connection."""
        return self._transport.get_extra_info(name, default)

    def _end_round(self) -> None:
        self._is_scheduled = False
        self._send_held()

    def _send_held(self) -> None:
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)
