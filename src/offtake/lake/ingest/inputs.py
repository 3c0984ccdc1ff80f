"""Open an input file of a load, once, and read it.

Everything is read through the descriptor: the name of the file never reaches the engine, and a file that is replaced
during the load changes nothing. A compressed file is checked while it is read: the checksum and the length of each of
its members, and that nothing else follows (RFC 1952).
"""

from __future__ import annotations

import gzip
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from isal import igzip

from offtake.errors import LakeError
from offtake.lake.engine_path import descriptor_path

COMPRESSED = ".gz"
GZIP_MAGIC = b"\x1f\x8b"  # first bytes of each member (RFC 1952, 2.3.1)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # of UTF-8; it may begin a text file and is no part of it


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """An open input file; ``path`` is only for messages."""

    path: Path
    stored: io.BufferedReader
    content: io.BufferedReader | gzip.GzipFile  # decompressed
    engine_path: str  # by which DuckDB reads the same open file; as stored, not decompressed

    def start(self, size: int) -> bytes:
        """Return the first bytes, before anything was read. Raises LakeError, OSError for a damaged compressed file."""
        with self._damage():
            return self.content.peek(size)[:size]

    def end(self, size: int) -> bytes:
        """Return the last bytes of the file as it is stored."""
        descriptor = self.stored.fileno()
        return os.pread(descriptor, size, max(0, os.fstat(descriptor).st_size - size))

    def read(self, size: int) -> bytes:
        """Return the next bytes; empty at the end. Raises LakeError, OSError for a damaged compressed file."""
        with self._damage():
            return self.content.read(size)

    @contextmanager
    def _damage(self) -> Iterator[None]:
        """Translate the faults of a compressed file."""
        try:
            yield
        except EOFError as error:
            raise LakeError(
                f"{self.path}: the compressed data ends too early, or a single byte follows its end. Copy or write the "
                "file again."
            ) from error
        except gzip.BadGzipFile as error:
            if not str(error).startswith("Not a gzipped file"):
                raise
            raise LakeError(
                f"{self.path}: other bytes follow the end of the compressed data. Remove them, or compress the file "
                "again."
            ) from error


@contextmanager
def open_input(path: Path) -> Iterator[InputFile]:
    """Open a regular file. Raises LakeError."""
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise LakeError(f"{path}: file not found.") from error
    except OSError as error:
        raise LakeError(f"{path}: the file cannot be opened: {error.strerror}.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LakeError(f"{path}: this is not a regular file; only regular files can be loaded.")
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        content: io.BufferedReader | gzip.GzipFile = file
        if path.name.lower().endswith(COMPRESSED):
            if not file.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC):
                raise LakeError(f"{path}: the file is not compressed with gzip. Remove {COMPRESSED} from its name.")
            content = igzip.open(file)  # type: ignore[no-untyped-call]
        yield InputFile(path=path, stored=file, content=content, engine_path=descriptor_path(descriptor))
