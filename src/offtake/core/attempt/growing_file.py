"""Reading a file while another thread writes it.

DuckDB's threads write at different offsets, so a growing file may have holes. A hole reads as zero bytes, and a byte
that is no longer zero is final. Text contains no zero bytes, so the reader waits at the first one. A file that does
contain zero bytes is read to its end after the writer has finished. A file that is written in order has no holes, so
its zero bytes are read as data at once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

POLL_SECONDS = 0.02
_CHUNK_BYTES = 4 * 1024 * 1024


class GrowingFile:
    """A file that is being written. ``in_order`` says that the writer only appends.

    The writer's side calls ``finish`` after the last byte, or ``abandon`` if the file is not needed any more.
    """

    def __init__(self, path: Path, *, in_order: bool) -> None:
        self.path = path
        self._may_have_holes = not in_order
        self.complete = threading.Event()
        self._abandoned = threading.Event()

    def finish(self) -> None:
        """Say that the writer has finished."""
        self.complete.set()

    def abandon(self) -> None:
        """End the reading."""
        self._abandoned.set()
        self.complete.set()

    def open(self) -> int | None:
        """Wait for the writer to create the file; return its descriptor, or None if it was abandoned."""
        while not self._abandoned.is_set():
            complete = self.complete.is_set()
            try:
                return os.open(self.path, os.O_RDONLY)
            except FileNotFoundError:
                if complete:
                    raise
                self.complete.wait(POLL_SECONDS)
        return None

    def chunks(self, handle: int) -> Iterator[bytes]:
        """Yield the bytes of the file in order, until the writer has finished or the file was abandoned."""
        size = 0
        while not self._abandoned.is_set():
            complete = self.complete.is_set()  # before the read: an empty read after completion is the end of the file
            chunk = os.pread(handle, _CHUNK_BYTES, size)
            hole = chunk.find(b"\0") if self._may_have_holes and not complete else -1
            if hole >= 0:
                chunk = chunk[:hole]
            if chunk:
                size += len(chunk)
                yield chunk
            elif complete:
                return
            else:
                self.complete.wait(POLL_SECONDS)
