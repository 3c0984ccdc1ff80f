"""The artifact store: staging files and spill folders of attempts, and published files.

``staging/<job>.<fence>.<suffix>``                  local file that the attempt with that fence writes
``staging/<job>.<fence>.<number>.<suffix>``         local file that is complete, of an export with several files
``spill/<job>.<fence>/``                            temporary files of that attempt's query
``files/<tenant>/<job>.<fence>.<suffix>``           published file, referenced by a job; orphans are swept
``files/<tenant>/<job>.<fence>.<number>.<suffix>``  the same, of an export with several files

The implementations (``folder.py``, ``bucket.py``) differ in ``files`` only. Files are published atomically, and are
durable before the job's row refers to them. Keys consist of tenant, job id and fence, never of a caller's input, so two
attempts never write the same key.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

from offtake.errors import AttemptError, ResourceExhausted, StorageUnavailable

FILES = "files"
_MIB = 1024 * 1024
_FILE_NAME = re.compile(r"(?P<job>[0-9a-f-]{36})\.(?P<fence>\d+)(\..*)?")
_DISK_FULL = frozenset({28, 122})  # ENOSPC, EDQUOT


# Returns a URL with which anyone can read the file of a key for that long. Raises StorageUnavailable.
Presign = Callable[[str, timedelta], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of the store: the attempt that wrote it, whether it is only staged, and how to remove it."""

    key: str
    job: str
    fence: int
    staged: bool
    remove: Callable[[], None] = field(compare=False)  # raises StorageUnavailable, ResourceExhausted


class ArtifactStore(ABC):
    """Base of the implementations; defines all keys. ``root`` is a local folder.

    ``presign`` makes URLs of the store itself; None: it has none, because its files are in a folder.
    ``capacity`` is the size of the disk of the published files at the start, in bytes; None if they are on no disk.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.presign: Presign | None = None
        self.capacity: int | None = None

    def prepare(self) -> None:
        """Create the folders."""
        for name in ("staging", "spill"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def check(self) -> None:
        """Check that the store responds.

        Raises SettingsError for a fault that needs an operator, else StorageUnavailable; both name the fault.
        """

    def require_room(self, free_bytes: int) -> None:
        """Check that attempts can write on this machine and that ``free_bytes`` are free.

        Raises StorageUnavailable, ResourceExhausted.
        """
        # The name is random, because process ids are equal in containers.
        probe = self.root / "staging" / f".ready-{secrets.token_hex(8)}"
        try:
            probe.write_bytes(b"ready")
            probe.unlink(missing_ok=True)
            free = shutil.disk_usage(self.root).free
        except OSError as error:
            raise storage_error(error) from error
        if free < free_bytes:
            raise ResourceExhausted(f"The artifact store has less than {free_bytes // _MIB} MiB of free space.")

    def staging(self, job: str, fence: int, suffix: str, *, number: int | None = None) -> Path:
        """Return the path of the attempt's staging file, or of its complete file with that number."""
        return self.root / "staging" / _file_name(job, fence, suffix, number)

    def spill(self, job: str, fence: int) -> Path:
        """Return the folder for temporary files of the attempt's query."""
        return self.root / "spill" / f"{job}.{fence}"

    def key(self, tenant: str, job: str, fence: int, suffix: str, *, number: int | None = None) -> str:
        """Return the key of the published file, or of the one with that number."""
        return f"{FILES}/{tenant}/{_file_name(job, fence, suffix, number)}"

    @abstractmethod
    def keep(self, staged: Path, key: str, between: Callable[[], None]) -> None:
        """Publish a flushed staging file under ``key``; it is durable when this returns.

        ``between`` is called repeatedly; an exception it raises aborts. Raises StorageUnavailable, ResourceExhausted;
        then the key is absent, or the sweep removes it.
        """

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Return the size of a published file in bytes, or None if it does not exist. Raises StorageUnavailable."""

    @abstractmethod
    def read(self, key: str, first: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from ``first`` up to, not including, ``end``. Raises StorageUnavailable, also if too few."""

    @abstractmethod
    def remove(self, key: str) -> None:
        """Remove a published file, if it exists. Raises StorageUnavailable."""

    def discard(self, job: str, fence: int) -> None:
        """Remove the attempt's local files; the sweep removes those that cannot be removed now."""
        with suppress(OSError):
            for path in (self.root / "staging").glob(f"{job}.{fence}.*"):  # all files, and a partition file
                path.unlink(missing_ok=True)
        shutil.rmtree(self.spill(job, fence), ignore_errors=True)

    def found(self) -> Iterator[StoredFile]:
        """Yield all files whose name has a job and a fence: this machine's local files, then published ones.

        Raises StorageUnavailable.
        """
        yield from self.local()
        yield from self.published()

    def local(self) -> Iterator[StoredFile]:
        """Yield the files that attempts staged or spilled on this machine. Raises StorageUnavailable."""
        for folder in ("staging", "spill"):
            for path in listed(self.root / folder, "*"):
                key = path.relative_to(self.root).as_posix()
                yield from stored(key, partial(remove_path, path), staged=True)

    @abstractmethod
    def published(self) -> Iterator[StoredFile]:
        """Yield all files under ``files/``, including unfinished uploads. Raises StorageUnavailable."""


def _file_name(job: str, fence: int, suffix: str, number: int | None) -> str:
    return f"{job}.{fence}.{suffix}" if number is None else f"{job}.{fence}.{number}.{suffix}"


def stored(key: str, remove: Callable[[], None], *, staged: bool = False) -> Iterator[StoredFile]:
    """Yield the file of that key, or nothing if its name has no job."""
    name = _FILE_NAME.fullmatch(key.rpartition("/")[2])
    if name:
        yield StoredFile(key=key, job=name["job"], fence=int(name["fence"]), staged=staged, remove=remove)


def listed(folder: Path, pattern: str) -> list[Path]:
    """Return the folder's entries that match, sorted by name. Raises StorageUnavailable."""
    try:
        return sorted(folder.glob(pattern))
    except OSError as error:
        raise storage_error(error) from error


def remove_path(path: Path) -> None:
    """Remove a file or a folder, if it exists. Raises StorageUnavailable."""
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except FileNotFoundError:  # removed concurrently
        return
    except OSError as error:
        raise storage_error(error) from error


def storage_error(error: OSError) -> AttemptError:
    """Return our error for an operating system's: ResourceExhausted for a full disk, else StorageUnavailable."""
    if error.errno in _DISK_FULL:
        return ResourceExhausted("There is no space left to write to.")
    return StorageUnavailable("The artifact store cannot be read or written.")


def flush_folder(folder: Path) -> None:
    """Flush a folder to disk; without it, a rename in it is not durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
