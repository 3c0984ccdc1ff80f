"""Files that appear complete or not at all, readable by their owner only.

A file is written under a temporary name in its folder, and gets its own when it is on the disk. Where an option of a
command names the file, only a regular file is replaced: renaming over a device, a FIFO or a link would destroy it for
every other program.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from offtake.errors import OutputError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(slots=True, kw_only=True)
class OutputFile:
    """A file in progress: ``temporary``, open for writing as ``text``, becomes ``path`` when it is published."""

    path: Path
    temporary: Path
    text: TextIO
    is_kept: bool = False

    def write(self, lines: Iterable[str]) -> None:
        """Write the whole file to the disk, so that only the rename is left. Raises OutputError."""
        with _faults(self.path):
            self.text.writelines(lines)
            self.text.flush()
            os.fsync(self.text.fileno())

    def publish(self) -> None:
        """Rename the written file. Raises OutputError, and keeps the temporary file."""
        try:
            check_output(self.path)
            with _faults(self.path):
                self.temporary.replace(self.path)
        except OutputError as error:
            self.is_kept = True
            raise OutputError(f"{error.message} Its content is in {self.temporary}.") from error


def check_output(path: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Check that a command may create the file, or replace it. Raises OutputError.

    ``inputs`` are files and folders that must stay as they are. They are compared by device and inode, so that another
    spelling, a symbolic or a hard link of an input is found, too; an input that does not exist is ignored.
    """
    with _faults(path):
        found = _status(path)
    if found is not None and not stat.S_ISREG(found.st_mode):
        what = next((word for is_kind, word in _KINDS if is_kind(found.st_mode)), "not a regular file")
        raise OutputError(f"{path} is {what}; name a new file, or a regular file, which will be replaced.")
    with _faults(path.parent):
        folder = path.parent.resolve(strict=True)
        around = [each.stat() for each in (folder, *folder.parents)]
    for each in inputs:
        with suppress(OSError):
            taken = each.stat()
            if found is not None and os.path.samestat(found, taken):
                raise OutputError(f"{path} is the same file as {each}, which must not be replaced; name another file.")
            if any(os.path.samestat(taken, parent) for parent in around):
                raise OutputError(f"{path} is in {each}, which must not be changed; name a file elsewhere.")


@contextmanager
def output_file(path: Path, *, inputs: Iterable[Path] = ()) -> Iterator[OutputFile]:
    """Open a file for the block, which writes and publishes it. Until it is published, ``path`` stays as it was.

    The file is readable by its owner only. Raises OutputError before the block if ``check_output`` does.
    """
    check_output(path, inputs=inputs)
    with _faults(path):
        temporary, handle = _new_file(path)
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as text:
        file = OutputFile(path=path, temporary=temporary, text=text)
        try:
            yield file
        finally:
            if not file.is_kept:
                temporary.unlink(missing_ok=True)


def create_private(path: Path, content: bytes) -> None:
    """Write a file of the installation, and keep one that exists. Raises OSError."""
    with _complete(path, content) as temporary, suppress(FileExistsError):
        os.link(temporary, path)


def replace_private(path: Path, content: bytes) -> None:
    """Write a file of the installation in place of one that may exist. Raises OSError."""
    with _complete(path, content) as temporary:
        temporary.replace(path)


@contextmanager
def _complete(path: Path, content: bytes) -> Iterator[Path]:
    """Yield a temporary file that has the content, on the disk, and remove it after the block."""
    temporary, handle = _new_file(path)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _new_file(path: Path) -> tuple[Path, int]:
    """Create a temporary file next to ``path``; return it and its descriptor, open for writing."""
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}")  # process ids are equal in containers
    return temporary, os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise OutputError(f"{path}: cannot be written: {reason}.") from error
