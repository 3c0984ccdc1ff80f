"""Verification of a file while it is written: its size, SHA-256 and number of records, read from the file itself.

A thread follows the growing file, so hashing, counting and flushing run in parallel with the query. It reads the file
through the operating system and does not depend on what the writer reports.
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
from offtake.core.attempt.growing_file import POLL_SECONDS, GrowingFile
from offtake.errors import ArtifactMismatch
from offtake.model.artifact import BLOCK_BYTES

_FLUSH_BYTES = 64 * 1024 * 1024


class RecordCounter(Protocol):
    """Counts the records in the bytes of a format."""

    def feed(self, chunk: bytes) -> None:
        """Count the records in the next bytes."""

    def seen(self) -> int:
        """Return the number of records so far."""

    def records(self) -> int:
        """Return the number of records. Raises ValueError unless the bytes are a complete file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStats:
    """Size, checksum and row count of a file, computed from its bytes."""

    bytes: int
    sha256: str
    rows: int
    blocks: tuple[str, ...]  # SHA-256 of every ``BLOCK_BYTES``; an empty file has one block


class BlockHash:
    """SHA-256 of a sequence of bytes as a whole and of each of its blocks. A single block is hashed once."""

    def __init__(self, block_bytes: int = BLOCK_BYTES) -> None:
        self._block_bytes = block_bytes
        self._whole = self._block = hashlib.sha256()
        self._blocks: list[str] = []
        self._room = block_bytes  # bytes until the present block is full

    def update(self, chunk: bytes) -> None:
        """Hash the next bytes."""
        view = memoryview(chunk)
        while view:
            if self._room == 0:
                self._blocks.append(self._block.hexdigest())
                self._block, self._room = hashlib.sha256(), self._block_bytes
            part, view = view[: self._room], view[self._room :]
            self._room -= len(part)
            self._whole.update(part)
            if self._block is not self._whole:
                self._block.update(part)

    def hexdigest(self) -> str:
        """Return the checksum of all bytes in lower-case hex."""
        return self._whole.hexdigest()

    def blocks(self) -> tuple[str, ...]:
        """Return the checksums of the blocks; the last block may be shorter."""
        return (*self._blocks, self._block.hexdigest())


class FileVerification:
    """Verifies one file while it is written. Leaving the context without ``finish`` stops the verification.

    ``in_order`` says that the writer only appends. The verification thread calls ``on_progress`` with the number of
    records and of bytes so far.
    """

    def __init__(
        self,
        path: Path,
        counter: RecordCounter,
        on_progress: Callable[[int, int], None] = lambda records, size: None,
        *,
        in_order: bool = False,
    ) -> None:
        self._path = path
        self._counter = counter
        self._on_progress = on_progress
        self._hash = BlockHash()
        self._size = 0
        self._file = GrowingFile(path, in_order=in_order)
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._follow, name="verification", daemon=True)

    def finish(self) -> FileStats:
        """Read the file to its end, flush it to disk and return its stats. The writer must have finished.

        Raises ArtifactMismatch if the file is incomplete or changed while it was read.
        """
        self._file.finish()
        self._thread.join()
        if self._error is not None:
            raise storage_error(self._error) from self._error
        try:
            rows = self._counter.records()
        except ValueError as error:
            raise ArtifactMismatch("The written file is incomplete.") from error
        if self._path.stat().st_size != self._size:
            raise ArtifactMismatch("The written file changed while it was read back.")
        return FileStats(bytes=self._size, sha256=self._hash.hexdigest(), rows=rows, blocks=self._hash.blocks())

    def _follow(self) -> None:
        try:
            handle = self._file.open()
            if handle is None:
                return
            flusher = threading.Thread(target=self._flush, args=(handle,), name="flush", daemon=True)
            try:
                flusher.start()
                self._read(handle)
                flusher.join()
                os.fsync(handle)
            finally:
                self._file.finish()
                flusher.join()
                os.close(handle)
        except OSError as error:
            self._error = error

    def _read(self, handle: int) -> None:
        for chunk in self._file.chunks(handle):
            self._hash.update(chunk)
            self._counter.feed(chunk)
            self._size += len(chunk)
            self._on_progress(self._counter.seen(), self._size)

    def _flush(self, handle: int) -> None:
        """Flush written bytes during the run, so that the final flush is short."""
        flushed = 0
        while not self._file.complete.wait(POLL_SECONDS):
            if self._size - flushed >= _FLUSH_BYTES:
                flushed = self._size
                with suppress(OSError):  # the final flush reports errors
                    os.fdatasync(handle)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, error_class: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.abandon()
        self._thread.join()
