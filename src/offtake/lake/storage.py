"""Storage of the lake's tables: a local folder or object storage, behind one protocol."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import Protocol

from offtake.errors import LakeError, StorageUnavailable
from offtake.lake.cache import FileCache, RemoteFile
from offtake.lake.engine_path import engine_path
from offtake.lake.file_lock import locked
from offtake.objects.bucket import Bucket
from offtake.objects.multipart_uploads import abort, list_multipart_uploads
from offtake.settings_messages import escaped

# delta-rs (1.6) takes the path of a local table for a part of a URL: it decodes %41, reads \ as /, panics at others.
# Links do not help, because it resolves them.
_UNSUPPORTED = re.compile(r"[%\\\[\]^|\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageFile:
    """A file of the storage; ``name`` has the form ``table/path``."""

    name: str
    bytes: int
    written_at: datetime


class TableStorage(Protocol):
    """Where tables are stored, and how their files become local files that DuckDB can read."""

    def uri(self, table: str) -> str | Path:
        """Return the table's path or URL for delta-rs."""

    @property
    def options(self) -> Mapping[str, str] | None:
        """Storage options for delta-rs; None for a folder."""

    def check(self, *, writing: bool = False) -> None:
        """Check that the storage can be read and, if ``writing``, written.

        Raises SettingsError for a fault that needs an operator, else StorageUnavailable; both name the fault.
        """

    @property
    def staging(self) -> Path:
        """The local folder in which loads stage rows."""

    def prepare(self, table: str) -> None:
        """Prepare the location of a new table."""

    def publish(self, file: Path, name: str) -> None:
        """Move a complete local file into the storage; ``name`` has the form ``table/path``.

        Raises StorageUnavailable, OSError.
        """

    def discard(self, name: str) -> None:
        """Remove a file that was published and is part of no table. Raises StorageUnavailable, OSError."""

    def discard_folder(self, name: str) -> None:
        """Remove all files below ``table/path``, unfinished uploads, and the cached copies on this machine.

        Raises StorageUnavailable, OSError.
        """

    def files(self, folder: str) -> Iterator[StorageFile]:
        """Yield all files in a folder ``table/path`` and its subfolders. Raises StorageUnavailable, OSError."""

    def abort_uploads(self, folder: str, *, containing: str = "") -> None:
        """Abort unfinished uploads below ``table/path`` whose name contains that text. Raises StorageUnavailable."""

    def forget_cached(self, folder: str, *, but: Collection[str]) -> None:
        """Remove this machine's cached copies of files below ``table/path`` except those named. Raises OSError."""

    @contextmanager
    def queue(self, table: str) -> Iterator[None]:
        """Hold the table's write lock among the processes that share it.

        The lock only avoids wasted work. The table's log resolves conflicting commits (``upsert.py``).
        """

    @contextmanager
    def local(self, files: Sequence[RemoteFile], check: Callable[[], None]) -> Iterator[Sequence[Path]]:
        """Yield local paths of the files, in the same order; names have the form ``table/path``.

        ``check`` is called repeatedly while files are fetched; what it raises aborts. Raises StorageUnavailable.
        """


class FolderTableStorage:
    """Tables in the folder ``root``; the table ``call`` is ``root/call``."""

    options = None

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def uri(self, table: str) -> Path:
        """Return the table's folder."""
        return self.root / table

    def check(self, *, writing: bool = False) -> None:
        """Check the folder; a mount may be missing, full or read-only."""
        try:
            next(self.root.iterdir(), None)
            if writing:
                with TemporaryFile(dir=self.root) as probe:
                    probe.write(bytes(4096))
        except OSError as error:
            raise StorageUnavailable(f"The lake's folder {self.root} cannot be used: {error.strerror}.") from error

    def prepare(self, table: str) -> None:
        """Create the table's folder."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.uri(table).mkdir(exist_ok=True)

    @property
    def staging(self) -> Path:
        """Return a folder inside the lake's folder, so that a staged file is published by renaming it."""
        return self.root / "_staging"

    def publish(self, file: Path, name: str) -> None:
        """Write the file through to the disk, then rename it."""
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)

    def discard(self, name: str) -> None:
        """Remove the file."""
        (self.root / name).unlink(missing_ok=True)

    def discard_folder(self, name: str) -> None:
        """Remove the folder."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.root / name)

    def files(self, folder: str) -> Iterator[StorageFile]:
        """Yield the files in the folder."""
        for path in (self.root / folder).rglob("*"):
            with suppress(FileNotFoundError):  # removed concurrently
                found = path.stat()
                if stat.S_ISREG(found.st_mode):
                    yield StorageFile(
                        name=path.relative_to(self.root).as_posix(),
                        bytes=found.st_size,
                        written_at=datetime.fromtimestamp(found.st_mtime, UTC),
                    )

    def abort_uploads(self, folder: str, *, containing: str = "") -> None:
        """Do nothing: a file appears complete."""

    def forget_cached(self, folder: str, *, but: Collection[str]) -> None:
        """Do nothing: the files are not cached."""

    @contextmanager
    def queue(self, table: str) -> Iterator[None]:
        """Use a lock file in the lake's folder, so all processes that share the folder wait for each other."""
        self.root.mkdir(parents=True, exist_ok=True)
        with locked(self.root / f"{table}.lock"):
            yield

    @contextmanager
    def local(self, files: Sequence[RemoteFile], check: Callable[[], None]) -> Iterator[Sequence[Path]]:
        """Yield the paths in the folder; a missing file fails when it is opened."""
        check()
        with engine_path(self.root) as root:
            yield [root / file.name for file in files]


class BucketTableStorage:
    """Tables in object storage; their files are cached on this machine."""

    def __init__(self, bucket: Bucket, cache_folder: Path, cache_bytes: int) -> None:
        self.bucket = bucket
        self._folder = cache_folder
        name = hashlib.sha256(f"{bucket.access.endpoint} {bucket.location.url}".encode()).hexdigest()[:16]
        self._cache = FileCache(folder=cache_folder, lake=name, limit=cache_bytes)
        self.options = bucket.location.delta_options(bucket.access)

    def uri(self, table: str) -> str:
        """Return the table's URL."""
        return f"{self.bucket.location.url}/{table}"

    def check(self, *, writing: bool = False) -> None:
        """Check the bucket."""
        self.bucket.check("lake_url", writing=writing)

    def prepare(self, table: str) -> None:
        """Do nothing; a bucket has no folders."""

    @property
    def staging(self) -> Path:
        """Return a folder next to the cached files."""
        return self._folder / "staging"

    def publish(self, file: Path, name: str) -> None:
        """Upload the file."""
        self.bucket.upload(file, name, lambda: None)
        file.unlink()

    def discard(self, name: str) -> None:
        """Remove the object and its cached copy."""
        self.bucket.remove(name)
        self._cache.forget(name)

    def discard_folder(self, name: str) -> None:
        """Remove the objects."""
        for key in list(self.bucket.keys(f"{name}/")):
            self.bucket.remove(key)
        self.abort_uploads(name)
        self.forget_cached(name, but=())

    def files(self, folder: str) -> Iterator[StorageFile]:
        """Yield the objects with that prefix."""
        for each in self.bucket.objects(f"{folder}/"):
            yield StorageFile(name=each.key, bytes=each.bytes, written_at=each.written_at)

    def abort_uploads(self, folder: str, *, containing: str = "") -> None:
        """Abort the unfinished multipart uploads, whose parts are stored but not visible."""
        for upload in list(list_multipart_uploads(self.bucket, f"{folder}/")):
            if containing in upload.key:
                abort(self.bucket, upload)

    def forget_cached(self, folder: str, *, but: Collection[str]) -> None:
        """Remove the copies, and those that killed processes held."""
        self._cache.forget_all(folder, but=but)

    @contextmanager
    def queue(self, table: str) -> Iterator[None]:
        """Use a lock file in this machine's cache. Raises LakeError if the storage lacks conditional writes."""
        if not self._has_conditional_writes:
            raise LakeError(
                f"{self.bucket.location.url}: this storage ignores If-None-Match, so concurrent writers would "
                "overwrite each other's commits. Such a lake is read-only; use storage with conditional writes."
            )
        locks = self._folder / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with locked(locks / f"{self._cache.lake}-{table}"):
            yield

    @cached_property
    def _has_conditional_writes(self) -> bool:
        return self.bucket.has_conditional_writes()

    @contextmanager
    def local(self, files: Sequence[RemoteFile], check: Callable[[], None]) -> Iterator[Sequence[Path]]:
        """Yield paths of copies in the cache, which keeps them while the block runs."""
        for file in files:
            if PurePosixPath(file.name).is_absolute() or ".." in PurePosixPath(file.name).parts or ":" in file.name:
                raise StorageUnavailable("A lake table references files outside its folder, which is not supported.")

        def fetch(file: RemoteFile) -> Iterator[bytes]:
            return self.bucket.read(file.name, 0, file.size)

        if not files:
            yield ()
            return
        with self._cache.local_copies(files, fetch, check) as copies, engine_path(copies) as folder:
            yield [folder / file.name for file in files]


def unsupported_characters(folder: Path) -> str:
    """Return the characters of the folder's path, with links resolved, that delta-rs cannot open, as text to print."""
    return " ".join(escaped(each) for each in sorted(set(_UNSUPPORTED.findall(str(folder.resolve())))))
