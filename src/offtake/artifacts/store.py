"""The artifact store: where attempts write, and where finished files are kept.

``staging/<job>.<fence>.<suffix>``    being written by the attempt with that fence; always a local file
``spill/<job>.<fence>/``              what that attempt's query could not hold in memory
``files/<tenant>/<job>.<fence>.<suffix>``  whole; named by a job's row, or soon swept

Only the last of them differs between the implementations (``folder.py``, ``bucket.py``). A reader sees a whole file
or none, and a file is safe before the row that names it is written. Keys come from job ids and fences only, never from
a caller; two attempts never write the same one.
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
from functools import partial
from pathlib import Path

from offtake.errors import AttemptError, ResourceExhausted, StorageUnavailable

FILES = "files"
_NAME = re.compile(r"(?P<job>[0-9a-f-]{36})\.(?P<fence>\d+)(\..*)?")
_FULL = frozenset({28, 122})  # ENOSPC, EDQUOT


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """Something found in the store: which attempt made it, whether it was published, and how to remove it."""

    key: str
    job: str
    fence: int
    staged: bool
    remove: Callable[[], None] = field(compare=False)  # raises StorageUnavailable, ResourceExhausted


class ArtifactStore(ABC):
    """All names of artifacts are made here. ``root`` is a local folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        """Make the folders."""
        for name in ("staging", "spill"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def check(self) -> bool:
        """Whether the store answers. Raises SettingsError for what does not pass by itself."""

    def require_room(self, free_bytes: int) -> None:
        """Whether attempts can write on this machine. Raises StorageUnavailable, or ResourceExhausted when less than
        that is free."""
        probe = self.root / "staging" / f".ready-{secrets.token_hex(8)}"  # in containers, every process is number 1
        try:
            probe.write_bytes(b"ready")
            probe.unlink(missing_ok=True)
            free = shutil.disk_usage(self.root).free
        except OSError as error:
            raise storage_error(error) from error
        if free < free_bytes:
            raise ResourceExhausted("The artifact store has too little free space.")

    def staging(self, job: str, fence: int, suffix: str) -> Path:
        """Where the attempt with that fence writes."""
        return self.root / "staging" / f"{job}.{fence}.{suffix}"

    def spill(self, job: str, fence: int) -> Path:
        """The folder in which that attempt's query may put what does not fit into memory."""
        return self.root / "spill" / f"{job}.{fence}"

    def key(self, tenant: str, job: str, fence: int, suffix: str) -> str:
        """Name of the published file, relative to the store."""
        return f"{FILES}/{tenant}/{job}.{fence}.{suffix}"

    @abstractmethod
    def keep(self, staged: Path, key: str, between: Callable[[], None]) -> None:
        """Put a flushed staging file, which must not change any more, where downloads find it. All of it is safe there
        when this returns. ``between`` is called now and then; what it raises ends the undertaking.

        Raises StorageUnavailable, ResourceExhausted; nothing to be read is under the key then, or what the sweep takes.
        """

    @abstractmethod
    def size(self, key: str) -> int | None:
        """How many bytes a published file has; None when there is none. Raises StorageUnavailable."""

    @abstractmethod
    def read(self, key: str, first: int, end: int) -> Iterator[bytes]:
        """The bytes from ``first`` up to, not including, ``end``; StorageUnavailable when there are fewer, too."""

    @abstractmethod
    def remove(self, key: str) -> None:
        """Remove a published file; absent is fine. Raises StorageUnavailable."""

    def discard(self, job: str, fence: int, suffix: str) -> None:
        """Remove whatever the attempt left in local folders; what cannot be removed now is left to the sweep."""
        with suppress(OSError):
            staged = self.staging(job, fence, suffix)
            for path in (staged, *staged.parent.glob(f"{staged.name}.*")):  # and the part that was being written
                path.unlink(missing_ok=True)
        shutil.rmtree(self.spill(job, fence), ignore_errors=True)

    def found(self) -> Iterator[StoredFile]:
        """Everything whose name carries a job and a fence: this machine's folders, then all that is published.

        Raises StorageUnavailable.
        """
        for folder in ("staging", "spill"):
            for path in listed(self.root / folder, "*"):
                key = path.relative_to(self.root).as_posix()
                yield from stored(key, partial(remove_path, path), staged=True)
        yield from self.published()

    @abstractmethod
    def published(self) -> Iterator[StoredFile]:
        """Everything under ``files/``, and what was begun there and never finished. Raises StorageUnavailable."""


def stored(key: str, remove: Callable[[], None], *, staged: bool = False) -> Iterator[StoredFile]:
    """The one file of that key, or none when its name says of no job."""
    name = _NAME.fullmatch(key.rpartition("/")[2])
    if name:
        yield StoredFile(key=key, job=name["job"], fence=int(name["fence"]), staged=staged, remove=remove)


def listed(folder: Path, pattern: str) -> list[Path]:
    """What is there, by name. Raises StorageUnavailable."""
    try:
        return sorted(folder.glob(pattern))
    except OSError as error:
        raise storage_error(error) from error


def remove_path(path: Path) -> None:
    """Remove a file or a folder; absent is fine. Raises StorageUnavailable."""
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except FileNotFoundError:  # somebody else removes the same folder
        return
    except OSError as error:
        raise storage_error(error) from error


def storage_error(error: OSError) -> AttemptError:
    """Ours for an operating system's: no space, or no access."""
    if error.errno in _FULL:
        return ResourceExhausted("There is no space left to write to.")
    return StorageUnavailable("The artifact store cannot be read or written.")


def flush_folder(folder: Path) -> None:
    """A rename is only durable once its folder is on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
