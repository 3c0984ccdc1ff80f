"""The artifact store in a local folder.

``staging/<job>.<fence>.<suffix>``    being written by the attempt with that fence
``files/<tenant>/<job>.<fence>.<suffix>``  whole; named by a job's row, or soon swept

A rename within one file system is atomic, so a reader sees a whole file or none. File and folders are flushed to the
disk before the row that names the file is written. Keys come from job ids and fences only, never from a caller.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from offtake.errors import AttemptError, ResourceExhausted, StorageUnavailable

_NAME = re.compile(r"(?P<job>[0-9a-f-]{36})\.(?P<fence>\d+)(\..*)?")
_FULL = frozenset({28, 122})  # ENOSPC, EDQUOT


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file found in the store: which attempt made it, and whether it is still being staged."""

    path: Path
    key: str
    job: str
    fence: int
    staged: bool


@dataclass(frozen=True, slots=True)
class ArtifactStore:
    """All paths of artifacts are made here."""

    root: Path

    def prepare(self) -> None:
        """Make the folders."""
        for folder in (self.root / "staging", self.root / "files", self.root / "spill"):
            folder.mkdir(parents=True, exist_ok=True)

    def check(self, *, free_bytes: int) -> None:
        """Raise StorageUnavailable when nothing can be written, ResourceExhausted when less than that is free."""
        probe = self.root / "staging" / f".ready-{os.getpid()}"
        try:
            probe.write_bytes(b"ready")
            probe.unlink()
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
        return f"files/{tenant}/{job}.{fence}.{suffix}"

    def path(self, key: str) -> Path:
        """Where the file of that key is."""
        return self.root / key

    def keep(self, staged: Path, key: str) -> None:
        """Give a flushed staging file its final name, and flush both folders. The file must not change any more."""
        target = self.path(key)
        try:
            if not target.parent.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
                _flush_folder(target.parent.parent)
            staged.rename(target)
            _flush_folder(target.parent)
            _flush_folder(staged.parent)
        except OSError as error:
            raise storage_error(error) from error

    def remove(self, key: str) -> None:
        """Remove a published file; absent is fine."""
        try:
            self.path(key).unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error) from error

    def discard(self, job: str, fence: int, suffix: str) -> None:
        """Remove whatever the attempt left outside ``files/``; what cannot be removed now is left to the sweep."""
        with suppress(OSError):
            staged = self.staging(job, fence, suffix)
            for path in (staged, *staged.parent.glob(f"{staged.name}.*")):  # and the part that was being written
                path.unlink(missing_ok=True)
        shutil.rmtree(self.spill(job, fence), ignore_errors=True)

    def found(self) -> Iterator[StoredFile]:
        """Every file and spill folder that carries a job and a fence in its name."""
        for folder, staged in (("staging", True), ("spill", True), ("files", False)):
            pattern = "*" if staged else "*/*"
            for path in sorted((self.root / folder).glob(pattern)):
                name = _NAME.fullmatch(path.name)
                if name:
                    key = path.relative_to(self.root).as_posix()
                    yield StoredFile(path=path, key=key, job=name["job"], fence=int(name["fence"]), staged=staged)


def remove_found(file: StoredFile) -> None:
    """Remove a file or spill folder that no row names. Raises StorageUnavailable."""
    try:
        if file.path.is_dir():
            shutil.rmtree(file.path)
        else:
            file.path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error) from error


def storage_error(error: OSError) -> AttemptError:
    """Ours for an operating system's: no space, or no access."""
    if error.errno in _FULL:
        return ResourceExhausted("There is no space left to write to.")
    return StorageUnavailable("The artifact store cannot be read or written.")


def _flush_folder(folder: Path) -> None:
    """A rename is only durable once its folder is on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
