"""The members of a ZIP archive, each an input of its own, read without extracting them."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from offtake.errors import LakeError
from offtake.lake.ingest.inputs.compression import compression_of, damage, refuse_bomb
from offtake.lake.ingest.inputs.input_file import Input, InputFile, expanded
from offtake.lake.ingest.inputs.stream import Readable

SUFFIX = ".zip"
_IS_ENCRYPTED = 0x1  # bit of a member's flags (APPNOTE 4.4.4)
_MAX_DIRECTORY_BYTES = 16 * 1024 * 1024  # zipfile holds all entries, in about ten times their bytes
_END = b"PK\x05\x06"  # of the archive (APPNOTE 4.3.16); the size of its directory follows after 12 bytes
_END_64 = b"PK\x06\x06"  # the same for large archives (APPNOTE 4.3.14): 40 bytes before that size
_IN_END_64 = 0xFFFFFFFF  # the size of the directory is there
_END_BYTES = 66 * 1024 + 56  # the end with its longest comment, and the records before it


def archive_inputs(path: Path, form: str | None, is_readable: Callable[[str], bool]) -> tuple[list[Input], list[str]]:
    """Return the members that can be read, in the order of their names, and the names of the others.

    A single member is read whatever its name says. Raises LakeError for an archive that is damaged, encrypted or empty.
    """
    with _opened(path) as archive:
        members = [member for member in archive.infolist() if not _is_ignored(member)]
        encrypted = next((member for member in members if member.flag_bits & _IS_ENCRYPTED), None)
        if encrypted is not None:
            raise LakeError(f"{path}: {encrypted.filename} is encrypted. Extract it, and load the file.")
    if not members:
        raise LakeError(f"{path}: the archive contains no file.")
    names = sorted(member.filename for member in members)
    chosen = [name for name in names if form or len(names) == 1 or is_readable(name)]
    return [_input(path, name, form) for name in chosen], [f"{path}/{name}" for name in names if name not in chosen]


def _input(path: Path, member: str, form: str | None) -> Input:
    file_name = PurePosixPath(member).name
    return Input(name=f"{path}/{member}", file_name=file_name, open=partial(_open, path, member), form=form, local=path)


@contextmanager
def _open(path: Path, member: str) -> Iterator[InputFile]:
    name, file_name = f"{path}/{member}", PurePosixPath(member).name
    with ExitStack() as opened:
        archive = opened.enter_context(_opened(path))
        try:
            info = archive.getinfo(member)
            stored = opened.enter_context(archive.open(info))
        except (KeyError, NotImplementedError, RuntimeError, zipfile.BadZipFile) as error:
            raise LakeError(f"{name}: the member cannot be read: {error}. Extract it, and load the file.") from error
        content = expanded(name, _Member(name, stored, info.compress_size), compression_of(file_name))
        yield InputFile(name=name, file_name=file_name, content=content, descriptor=None, opened=opened)


class _Member:
    """The content of a member. ``read`` raises LakeError for damage and for a bomb."""

    def __init__(self, name: str, stored: Readable, compressed: int) -> None:
        self._name = name
        self._stored = stored
        self._compressed = compressed
        self._count = 0

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; empty only at the end."""
        try:
            with damage(self._name):
                found = self._stored.read(size)
        except zipfile.BadZipFile as error:
            raise LakeError(f"{self._name}: the member is damaged: {error}. Copy the archive again.") from error
        self._count += len(found)
        refuse_bomb(self._name, self._count, self._compressed)
        return found


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with path.open("rb") as file:
            _check_directory(path, file)
            with zipfile.ZipFile(file) as archive:
                yield archive
    except FileNotFoundError as error:
        raise LakeError(f"{path}: file not found.") from error
    except OSError as error:
        raise LakeError(f"{path}: the file cannot be opened: {error.strerror}.") from error
    except zipfile.BadZipFile as error:
        raise LakeError(f"{path}: this is not a whole ZIP archive ({error}). Copy or write it again.") from error


def _check_directory(path: Path, file: BinaryIO) -> None:
    """Refuse an archive whose directory would exhaust the memory."""
    file.seek(max(0, os.fstat(file.fileno()).st_size - _END_BYTES))
    tail = file.read()
    size, end, end_64 = 0, tail.rfind(_END), tail.rfind(_END_64)
    if end >= 0 and len(tail) >= end + 16:
        (size,) = struct.unpack_from("<I", tail, end + 12)
        if size == _IN_END_64 and end_64 >= 0 and len(tail) >= end_64 + 48:
            (size,) = struct.unpack_from("<Q", tail, end_64 + 40)
    if size > _MAX_DIRECTORY_BYTES:
        raise LakeError(
            f"{path}: the archive's directory has more than {_MAX_DIRECTORY_BYTES // 1024**2} MiB. Extract the "
            "archive, and load its files."
        )


def _is_ignored(member: zipfile.ZipInfo) -> bool:
    """Return whether a member is no data: a folder, or what macOS and others add."""
    parts = PurePosixPath(member.filename).parts
    return member.is_dir() or any(part.startswith(".") or part == "__MACOSX" for part in parts)
