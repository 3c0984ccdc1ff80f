"""Open an input file of a load, once, and read it.

Everything is read through the descriptor: the name of the file never reaches the engine, and a file that is replaced
during the load changes nothing. A compressed file is checked while it is read: the checksum and the length of each of
its members, and that nothing else follows (RFC 1952).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from isal import igzip

from offtake.errors import LakeError

COMPRESSED = ".gz"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # of UTF-8; it may begin a text file and is no part of it


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """An open input file; ``path`` is only for messages."""

    path: Path
    content: IO[bytes]  # decompressed
    engine_path: str  # by which DuckDB reads the same open file; as stored, not decompressed

    def read(self, size: int) -> bytes:
        """Return the next bytes; empty at the end. Raises OSError or EOFError for a damaged compressed file."""
        return self.content.read(size)


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
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor, not a path
        content: IO[bytes] = file
        if path.name.lower().endswith(COMPRESSED):
            content = igzip.open(file)  # type: ignore[no-untyped-call]
        yield InputFile(path=path, content=content, engine_path=f"/proc/self/fd/{descriptor}")
