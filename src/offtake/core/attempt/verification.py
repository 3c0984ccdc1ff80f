"""Reading a file back while it is written: size, sha-256 and records, from the bytes that are on the disk.

A thread follows the growing file, so that hashing, counting and flushing happen beside the query instead of after it.
It reads what the operating system has of the file, never what the writer meant to write.

DuckDB's threads write side by side, each at its own place, so a growing file has holes for a moment. A hole reads as
zero bytes, and every byte turns from zero into what it stays. Text holds no zero bytes: the follower waits at the first
one it meets. If a file does hold some, it waits until the writer is done, and then takes them as they are. A file that
is written in order has no holes, and the follower takes its zero bytes as they come.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from offtake.artifacts.store import storage_error
from offtake.errors import ArtifactMismatch

_CHUNK = 4 * 1024 * 1024
_FLUSH_EVERY = 64 * 1024 * 1024
_PAUSE = 0.02  # seconds between looks at a file that has not grown


class RecordCounter(Protocol):
    """A format's record counter."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""

    def seen(self) -> int:
        """Records so far."""

    def records(self) -> int:
        """Records in all bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStats:
    """What the bytes of a file say about it."""

    bytes: int
    sha256: str
    rows: int


class FileVerification:
    """Follows one file. Leaving the context without ``finish`` abandons it.

    ``in_order`` says that the writer only appends. ``growing`` is told the number of records read so far, from the
    following thread.
    """

    def __init__(
        self,
        path: Path,
        counter: RecordCounter,
        growing: Callable[[int], None] = lambda records: None,
        *,
        in_order: bool = False,
    ) -> None:
        self._path = path
        self._counter = counter
        self._may_have_holes = not in_order
        self._growing = growing
        self._hash = hashlib.sha256()
        self._size = 0
        self._complete = threading.Event()
        self._abandoned = threading.Event()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._follow, name="inspection", daemon=True)

    def finish(self) -> FileStats:
        """Read to the end, flush the file to the disk, and say what it is. The writer must be done.

        Raises ArtifactMismatch when the bytes are no whole file of the format, or changed while they were read.
        """
        self._complete.set()
        self._thread.join()
        if self._error is not None:
            raise storage_error(self._error) from self._error
        try:
            rows = self._counter.records()
        except ValueError as error:
            raise ArtifactMismatch("The written file is not whole.") from error
        if self._path.stat().st_size != self._size:
            raise ArtifactMismatch("The written file changed while it was read back.")
        return FileStats(bytes=self._size, sha256=self._hash.hexdigest(), rows=rows)

    def _follow(self) -> None:
        try:
            handle = self._open()
            if handle is None:
                return
            flusher = threading.Thread(target=self._flush, args=(handle,), name="flush", daemon=True)
            try:
                flusher.start()
                self._read(handle)
                flusher.join()
                os.fsync(handle)
            finally:
                self._complete.set()
                flusher.join()
                os.close(handle)
        except OSError as error:
            self._error = error

    def _open(self) -> int | None:
        """Wait for the writer to create the file."""
        while not self._abandoned.is_set():
            complete = self._complete.is_set()
            try:
                return os.open(self._path, os.O_RDONLY)
            except FileNotFoundError:
                if complete:
                    raise
                self._complete.wait(_PAUSE)
        return None

    def _read(self, handle: int) -> None:
        while not self._abandoned.is_set():
            complete = self._complete.is_set()  # asked before the read: what is read after it is all there is
            chunk = os.pread(handle, _CHUNK, self._size)
            hole = chunk.find(b"\0") if self._may_have_holes and not complete else -1
            if hole >= 0:
                chunk = chunk[:hole]
            if chunk:
                self._hash.update(chunk)
                self._counter.feed(chunk)
                self._size += len(chunk)
                self._growing(self._counter.seen())
            elif complete:
                return
            else:
                self._complete.wait(_PAUSE)

    def _flush(self, handle: int) -> None:
        """Spread the disk's work over the run instead of one long wait at its end."""
        flushed = 0
        while not self._complete.wait(_PAUSE):
            if self._size - flushed >= _FLUSH_EVERY:
                flushed = self._size
                with suppress(OSError):  # the last flush, after the last byte, says whether all is well
                    os.fdatasync(handle)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._abandoned.set()
        self._complete.set()
        self._thread.join()
