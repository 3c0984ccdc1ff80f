"""What the lake stands on: a local folder, or a place in object storage. The rest of the lake knows no difference."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol

from offtake.errors import LakeError, StorageUnavailable
from offtake.lake.cache import FileCache, Wanted
from offtake.objects.bucket import Bucket


class TableStorage(Protocol):
    """Where tables are, and how their files come to where DuckDB can read them."""

    def uri(self, table: str) -> str | Path:
        """Where the table of that name is, for the storage library."""

    @property
    def options(self) -> Mapping[str, str] | None:
        """What the storage library has to know besides."""

    def check(self) -> bool:
        """Whether it answers. Raises SettingsError for what does not pass by itself."""

    def prepare(self, table: str) -> None:
        """Make way for a new table."""

    @contextmanager
    def queue(self, table: str) -> Iterator[None]:
        """While the block runs, no other process of this machine that asks is let in.

        Only to spare work: two writers that met anyway are told apart by the table's own log (``upsert.py``).
        """

    @contextmanager
    def local(self, files: Sequence[Wanted], check: Callable[[], None]) -> Iterator[Sequence[Path]]:
        """The files, by names of the form ``table/path``, as local ones, in the same order, while the block runs.

        ``check`` is called again and again in the meantime and may raise. Raises StorageUnavailable.
        """


class FolderTableStorage:
    """Tables in the folder ``root``; the table ``call`` is ``root/call``."""

    options = None

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def uri(self, table: str) -> Path:
        """A folder."""
        return self.root / table

    def check(self) -> bool:
        """Whether the folder is there and can be read: one that was not mounted has no tables, either."""
        try:
            next(self.root.iterdir(), None)
        except OSError:
            return False
        return True

    def prepare(self, table: str) -> None:
        """Make the folder."""
        self.uri(table).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def queue(self, table: str) -> Iterator[None]:
        """By a lock beside the tables, so every process that sees the lake queues up."""
        with _lock(self.root / f"{table}.lock"):
            yield

    @contextmanager
    def local(self, files: Sequence[Wanted], check: Callable[[], None]) -> Iterator[Sequence[Path]]:
        """They are local already. One that is gone is met by whoever opens it."""
        check()
        yield [self.root / file.name for file in files]


class BucketTableStorage:
    """Tables in object storage. A worker keeps copies of their files in ``cache``."""

    def __init__(self, bucket: Bucket, cache_folder: Path, cache_bytes: int) -> None:
        self.bucket = bucket
        self._folder = cache_folder
        name = hashlib.sha256(f"{bucket.access.endpoint} {bucket.location.url}".encode()).hexdigest()[:16]
        self._cache = FileCache(folder=cache_folder, lake=name, limit=cache_bytes)
        self.options = bucket.location.delta_options(bucket.access)

    def uri(self, table: str) -> str:
        """A URL."""
        return f"{self.bucket.location.url}/{table}"

    def check(self) -> bool:
        """Look into the bucket."""
        return self.bucket.probe("lake_url")

    def prepare(self, table: str) -> None:
        """There are no folders in a bucket."""

    @contextmanager
    def queue(self, table: str) -> Iterator[None]:
        """By a lock in this machine's cache. Raises LakeError when the storage cannot keep two writers apart."""
        if not self._keeps_writers_apart:
            raise LakeError(
                f"{self.bucket.location.url}: this storage ignores conditions (If-None-Match), so two writers would "
                "overwrite each other's commits; the lake can be read there, not written."
            )
        with _lock(self._folder / "locks" / f"{self._cache.lake}-{table}"):
            yield

    @cached_property
    def _keeps_writers_apart(self) -> bool:
        return self.bucket.creates_only_once()

    @contextmanager
    def local(self, files: Sequence[Wanted], check: Callable[[], None]) -> Iterator[Sequence[Path]]:
        """Copies in the cache, held while the block runs."""
        for file in files:
            if PurePosixPath(file.name).is_absolute() or ".." in PurePosixPath(file.name).parts or ":" in file.name:
                raise StorageUnavailable("A lake table has files outside its own place, unknown here.")

        def bring(file: Wanted) -> Iterator[bytes]:
            return self.bucket.read(file.name, 0, file.size)

        if not files:
            yield ()
            return
        with self._cache.held(files, bring, check) as folder:
            yield [folder / file.name for file in files]


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Wait for a lock and hold it; the kernel frees it when the holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
