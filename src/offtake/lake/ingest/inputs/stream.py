"""Streams of bytes: what the layers of an input read from, and the last one, from which the formats read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Protocol

from typing_extensions import Buffer


class Readable(Protocol):
    """Anything that yields bytes in sequence."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; empty only at the end."""


class Blocks:
    """Bytes that arrive as blocks of any size, as a Readable."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._pending = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes of the current block."""
        while not self._pending:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._pending = memoryview(block)
        found = bytes(self._pending[:size])
        self._pending = self._pending[size:]
        return found


class Counted(io.RawIOBase):
    """A source as a file object, as libraries expect it; counts the bytes that they took."""

    def __init__(self, source: Readable) -> None:
        super().__init__()
        self._source = source
        self.count = 0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Read as many bytes as the buffer has, or fewer."""
        target = memoryview(buffer)
        found = self._source.read(len(target))
        target[: len(found)] = found
        self.count += len(found)
        return len(found)


class Content:
    """The content of an input, whose first bytes can be looked at before it is read."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._ahead = b""

    def start(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end, without consuming them."""
        while len(self._ahead) < size:
            block = self._source.read(size - len(self._ahead))
            if not block:
                break
            self._ahead += block
        return self._ahead[:size]

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; empty only at the end."""
        if self._ahead:
            found, self._ahead = self._ahead[:size], self._ahead[size:]
            return found
        return self._source.read(size)
