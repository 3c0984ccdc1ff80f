"""A disk cache of immutable lake files from object storage, shared by all processes of this machine.

``files/<lake>/<name>``   complete files; evicted in order of last use
``held/<holder>/<name>``  hard links to the same files, for a query that reads them
``held/<holder>.lock``    locked while the holder lives; the next user removes what a killed one left
``locks/<number>``        locked while a file whose name hashes to that number is fetched, by one process only

Evicting a file does not affect its holders, which have links of their own. A file is linked into ``files`` only once it
is complete.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
import uuid
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from offtake.errors import StorageUnavailable
from offtake.lake.file_lock import try_lock

_CONCURRENT_FETCHES = 4
_LOCKS = 64
_POLL_SECONDS = 0.02  # while another process holds a lock
_PARQUET_MAGIC = b"PAR1"  # first and last bytes of a Parquet file


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """An immutable file in object storage: the same name always means the same bytes. ``size`` is in bytes."""

    name: str
    size: int


Fetch = Callable[[RemoteFile], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCache:
    """``limit`` is the maximum size of unreferenced cached files, in bytes; ``lake`` separates the files of lakes."""

    folder: Path
    lake: str
    limit: int

    @contextmanager
    def local_copies(self, files: Sequence[RemoteFile], fetch: Fetch, check: Callable[[], None]) -> Iterator[Path]:
        """Yield a folder that holds all these files while the block runs.

        ``check`` is called repeatedly while files are fetched; an exception it raises aborts. Raises StorageUnavailable
        if a file cannot be fetched completely.
        """
        with _writable():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in ("files", "held", "locks"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            self._remove_abandoned()
        with self._holder() as folder:
            try:
                with _writable():
                    self._fetch_all(files, folder, fetch, check)
                    self._evict()
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                self._evict()

    def forget(self, name: str) -> None:
        """Remove the cached file of that name."""
        (self.folder / "files" / self.lake / name).unlink(missing_ok=True)

    def forget_all(self, folder: str, *, but: Collection[str]) -> None:
        """Remove the cached files below a folder except those named, and the folders of killed holders."""
        root = self.folder / "files" / self.lake
        for path in (root / folder).rglob("*.parquet"):
            if path.relative_to(root).as_posix() not in but:
                path.unlink(missing_ok=True)
        self._remove_abandoned()

    def _fetch_all(self, files: Sequence[RemoteFile], folder: Path, fetch: Fetch, check: Callable[[], None]) -> None:
        failed: list[BaseException] = []

        def check_all() -> None:
            """Abort the other fetches once one has failed."""
            check()
            if failed:
                raise StorageUnavailable("Another lake file could not be fetched.")

        with ThreadPoolExecutor(_CONCURRENT_FETCHES, thread_name_prefix="lake-file") as pool:
            for fetched in as_completed([pool.submit(self._link, file, folder, fetch, check_all) for file in files]):
                failed += filter(None, (fetched.exception(),))
        if failed:
            raise failed[0]

    def _link(self, file: RemoteFile, folder: Path, fetch: Fetch, check: Callable[[], None]) -> None:
        cached, target = self.folder / "files" / self.lake / file.name, folder / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._fetch_lock(file, check):
            if _linked(cached, target, file.size):
                return
            _download(file, target, fetch, check)
            cached.parent.mkdir(parents=True, exist_ok=True)
            cached.unlink(missing_ok=True)
            cached.hardlink_to(target)

    @contextmanager
    def _fetch_lock(self, file: RemoteFile, check: Callable[[], None]) -> Iterator[None]:
        """Hold the lock under which one process of this machine fetches the file."""
        number = zlib.crc32(f"{self.lake}/{file.name}".encode()) % _LOCKS
        with (self.folder / "locks" / str(number)).open("a") as lock:
            while not try_lock(lock):
                check()
                time.sleep(_POLL_SECONDS)
            check()
            yield

    @contextmanager
    def _holder(self) -> Iterator[Path]:
        """Yield a new holder's folder. Its lock is taken first, because an unlocked holder counts as abandoned."""
        while True:
            folder = self.folder / "held" / uuid.uuid4().hex
            lock_path = folder.with_suffix(".lock")
            with lock_path.open("a") as lock:
                if not try_lock(lock) or not lock_path.exists():  # another process removed it as abandoned
                    continue
                folder.mkdir()
                try:
                    yield folder
                finally:
                    lock_path.unlink(missing_ok=True)
            return

    def _remove_abandoned(self) -> None:
        """Remove the folders of killed holders."""
        for lock_path in (self.folder / "held").glob("*.lock"):
            with suppress(FileNotFoundError), lock_path.open("r+") as lock:
                if try_lock(lock):
                    shutil.rmtree(lock_path.with_suffix(""), ignore_errors=True)
                    lock_path.unlink(missing_ok=True)

    def _evict(self) -> None:
        """Remove the least recently used files down to the limit; skip files in use, as that would free no space."""
        with (self.folder / "locks" / "evict").open("a") as lock:
            if not try_lock(lock):
                return  # another process is evicting
            entries = sorted(_entries(self.folder / "files"))
            total = sum(size for _, size, _ in entries)
            for _, size, path in entries:
                if total <= self.limit:
                    return
                with suppress(FileNotFoundError):
                    if path.stat().st_nlink == 1:
                        path.unlink()
                        total -= size


@contextmanager
def _writable() -> Iterator[None]:
    """Translate errors of this machine's disk into StorageUnavailable."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(
            "The lake cache cannot be written; check free space and permissions of [storage] cache_folder."
        ) from error


def _entries(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """Yield time of last use, size in bytes and path of each file."""
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                yield status.st_mtime_ns, status.st_size, path


def _linked(cached: Path, target: Path, size: int) -> bool:
    """Link the cached file to ``target`` and mark it as used now; return False if it is absent or incomplete."""
    try:
        target.hardlink_to(cached)
    except FileNotFoundError:
        return False
    if target.stat().st_size != size:  # a disk that lost power may have lost bytes
        target.unlink()
        return False
    os.utime(target)
    return True


def _download(file: RemoteFile, target: Path, fetch: Fetch, check: Callable[[], None]) -> None:
    """Fetch a file and verify its size and Parquet's magic bytes."""
    first, last, size = b"", b"", 0
    with target.open("wb", buffering=0) as out:
        for chunk in fetch(file):
            check()
            out.write(chunk)
            first, last, size = (first or chunk[:4]), (last + chunk[-4:])[-4:], size + len(chunk)
        os.fsync(out.fileno())
    if (size, first, last) != (file.size, _PARQUET_MAGIC, _PARQUET_MAGIC):
        target.unlink()
        raise StorageUnavailable("A lake file arrived damaged from object storage.")
