"""Open an input file of a load, once, and read it.

Everything is read through the descriptor: the name of the file never reaches the engine, and a file that is replaced
during the load changes nothing.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from offtake.errors import LakeError
from offtake.lake.ingest.inputs.compression import COMPRESSIONS, Expanded, compression_of
from offtake.lake.ingest.inputs.stream import Content, Readable
from offtake.lake.staging import Staging
from offtake.settings_messages import escaped

STANDARD_INPUT = "standard input"  # its name in messages
_COPY_BYTES = 1024 * 1024
_MAGIC_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One thing that a load reads: a file, a member of an archive, an object, a table, the rows of a query.

    ``name`` is for messages and holds no secret. The suffix of ``file_name`` tells the format unless ``form`` does.
    """

    name: str
    file_name: str
    open: Callable[[], AbstractContextManager[InputFile]]
    form: str | None = None  # name of a format
    local: Path | None = None  # the file that is read, which no output may replace


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """An open input; ``name`` is for messages, and ``content`` is decompressed."""

    name: str
    file_name: str
    content: Content
    descriptor: int | None  # of a regular file whose stored bytes are the content
    url: str = field(default="", repr=False)  # of a table or a database, which has rows instead of bytes
    url_options: Mapping[str, str] = field(default_factory=dict, repr=False)  # how to access it
    opened: ExitStack = field(default_factory=ExitStack)  # closed with the input

    def start(self, size: int) -> bytes:
        """Return the first bytes, before anything was read. Raises LakeError, OSError for a damaged input."""
        return self.content.start(size)

    def read(self, size: int) -> bytes:
        """Return the next bytes; empty only at the end. Raises LakeError, OSError for a damaged input."""
        return self.content.read(size)

    def on_disk(self, staging: Staging) -> int:
        """Return the descriptor of a regular file with the content: the input itself, or a copy in the staging folder.

        Formats that are read from their end need it. It is open as long as the input. Raises LakeError, OSError.
        """
        if self.descriptor is not None:
            return self.descriptor
        copy = staging.path("input")
        file = self.opened.enter_context(copy.open("w+b"))
        copy.unlink()
        while block := self.content.read(_COPY_BYTES):
            file.write(block)
        file.flush()
        return file.fileno()


def local_input(path: Path, form: str | None = None) -> Input:
    """Return a local file as an input; it is not opened yet, and its name is no pattern."""
    return Input(name=escaped(str(path)), file_name=path.name, open=partial(open_local, path), form=form, local=path)


@contextmanager
def open_local(path: Path) -> Iterator[InputFile]:
    """Open a regular file. Raises LakeError."""
    name = escaped(str(path))
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise LakeError(f"{name}: file not found.") from error
    except OSError as error:
        raise LakeError(f"{name}: the file cannot be opened: {error.strerror}.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LakeError(f"{name}: this is not a regular file; only regular files can be loaded.")
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        content = expanded(name, file, compression_of(path.name))
        is_plain = compression_of(path.name) is None
        with ExitStack() as opened:
            yield InputFile(
                name=name,
                file_name=path.name,
                content=content,
                descriptor=descriptor if is_plain else None,
                opened=opened,
            )


@contextmanager
def open_standard_input(stream: BinaryIO | None = None) -> Iterator[InputFile]:
    """Read standard input; its first bytes tell whether it is compressed. Raises LakeError."""
    source = Content(stream or sys.stdin.buffer)
    content = expanded(STANDARD_INPUT, source, magic_of(source))
    with ExitStack() as opened:
        yield InputFile(name=STANDARD_INPUT, file_name="", content=content, descriptor=None, opened=opened)


def magic_of(content: Content) -> str | None:
    """Return the suffix of the compression that the first bytes tell, or None."""
    start = content.start(_MAGIC_BYTES)
    return next((suffix for suffix, (_, magic, _) in COMPRESSIONS.items() if start.startswith(magic)), None)


def expanded(name: str, source: Readable, suffix: str | None) -> Content:
    """Return the content of an input that is compressed as the suffix says. Raises LakeError if it is not."""
    if suffix is None:
        return Content(source)
    stored = Content(source)
    program, magic, _ = COMPRESSIONS[suffix]
    if not stored.start(len(magic)).startswith(magic):
        raise LakeError(f"{name}: the file is not compressed with {program}. Remove {suffix} from its name.")
    return Content(Expanded(name, stored, suffix))
