"""This machine's copies of files that lie elsewhere and never change, shared by all its processes.

``files/<lake>/<name>``   whole files; the one used longest ago goes first when there are too many bytes
``held/<holder>/<name>``  the same files, linked once more for somebody who is using them
``held/<holder>.lock``    locked while that somebody lives; what a killed one held is removed by the next who comes
``locks/<number>``        locked while a file whose name has that number is being brought, so that one process does it

A name that goes from ``files`` while its file is held takes no bytes away from the holder. A file is linked into
``files`` only when it is whole, so a broken download is never met there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from offtake.errors import StorageUnavailable

_AT_ONCE = 4  # files brought side by side
_LOCKS = 64
_LOOK = 0.02  # seconds between looks at a lock that somebody else holds
_PARQUET = b"PAR1"  # how such a file begins and ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file by its name, which says all there is to say: the same name always means the same bytes."""

    name: str
    size: int


Bring = Callable[[Wanted], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCache:
    """``limit`` is how many bytes may lie about that nobody uses. ``lake`` tells files of several lakes apart."""

    folder: Path
    lake: str
    limit: int

    @contextmanager
    def held(self, files: Sequence[Wanted], bring: Bring, check: Callable[[], None]) -> Iterator[Path]:
        """A folder with all these files, for as long as the block runs.

        ``check`` is called again and again while files are brought; what it raises ends the undertaking. Raises
        StorageUnavailable when a file cannot be brought whole.
        """
        with _writable():
            for name in ("files", "held", "locks"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            self._remove_left()
        with self._holder() as own:
            try:
                with _writable():
                    self._bring_all(files, own, bring, check)
                    self._shrink()
                yield own
            finally:
                shutil.rmtree(own, ignore_errors=True)
                self._shrink()

    def _bring_all(self, files: Sequence[Wanted], own: Path, bring: Bring, check: Callable[[], None]) -> None:
        failed: list[BaseException] = []

        def go_on() -> None:
            """One file that fails stops the others."""
            check()
            if failed:
                raise StorageUnavailable("Another file of the lake could not be read.")

        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="lake-file") as pool:
            for brought in as_completed([pool.submit(self._hold, file, own, bring, go_on) for file in files]):
                failed += filter(None, (brought.exception(),))
        if failed:
            raise failed[0]

    def _hold(self, file: Wanted, own: Path, bring: Bring, check: Callable[[], None]) -> None:
        kept, target = self.folder / "files" / self.lake / file.name, own / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._alone(file, check):
            if _linked(kept, target, file.size):
                return
            _download(file, target, bring, check)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.unlink(missing_ok=True)
            kept.hardlink_to(target)

    @contextmanager
    def _alone(self, file: Wanted, check: Callable[[], None]) -> Iterator[None]:
        """Nobody else on this machine brings that file."""
        number = zlib.crc32(f"{self.lake}/{file.name}".encode()) % _LOCKS
        with (self.folder / "locks" / str(number)).open("a") as lock:
            while not _locked(lock):
                check()
                time.sleep(_LOOK)
            check()
            yield

    @contextmanager
    def _holder(self) -> Iterator[Path]:
        """A new holder's folder. Its lock is there first: whoever finds a lock free may remove what belongs to it."""
        while True:
            own = self.folder / "held" / uuid.uuid4().hex
            lock_path = own.with_suffix(".lock")
            with lock_path.open("a") as lock:
                if not _locked(lock) or not lock_path.exists():  # somebody took it for left behind, in between
                    continue
                own.mkdir()
                try:
                    yield own
                finally:
                    lock_path.unlink(missing_ok=True)
            return

    def _remove_left(self) -> None:
        """What holders left that were killed."""
        for lock_path in (self.folder / "held").glob("*.lock"):
            with suppress(FileNotFoundError), lock_path.open("r+") as lock:
                if _locked(lock):
                    shutil.rmtree(lock_path.with_suffix(""), ignore_errors=True)
                    lock_path.unlink(missing_ok=True)

    def _shrink(self) -> None:
        """Remove what was used longest ago until the rest fits; what is in use stays, as removing it frees nothing."""
        with (self.folder / "locks" / "shrink").open("a") as lock:
            if not _locked(lock):
                return  # somebody does it right now
            found = sorted(_entries(self.folder / "files"))
            total = sum(size for _, size, _ in found)
            for _, size, path in found:
                if total <= self.limit:
                    return
                with suppress(FileNotFoundError):
                    if path.stat().st_nlink == 1:
                        path.unlink()
                        total -= size


@contextmanager
def _writable() -> Iterator[None]:
    """A disk that is full or broken is trouble of the storage, too."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable("Copies of the lake's files cannot be written to this machine's disk.") from error


def _entries(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """When each file was last used, its size, and where it is."""
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            found = path.stat()
            if stat.S_ISREG(found.st_mode):
                yield found.st_mtime_ns, found.st_size, path


def _linked(kept: Path, target: Path, size: int) -> bool:
    """Whether the file was there, whole; it is held and counts as used now then."""
    try:
        target.hardlink_to(kept)
    except FileNotFoundError:
        return False
    if target.stat().st_size != size:  # a disk that lost power may have lost bytes
        target.unlink()
        return False
    os.utime(target)
    return True


def _download(file: Wanted, target: Path, bring: Bring, check: Callable[[], None]) -> None:
    """Bring a file and look at it: its size, and the marks that a Parquet file begins and ends with."""
    begins, ends, size = b"", b"", 0
    with target.open("wb", buffering=0) as out:
        for chunk in bring(file):
            check()
            out.write(chunk)
            begins, ends, size = (begins or chunk[:4]), (ends + chunk[-4:])[-4:], size + len(chunk)
        os.fsync(out.fileno())
    if (size, begins, ends) != (file.size, _PARQUET, _PARQUET):
        target.unlink()
        raise StorageUnavailable("A file of the lake came broken from the object storage.")


def _locked(file: IO[str]) -> bool:
    """Take the lock if nobody has it; the kernel frees it when the file is closed, or its owner dies.

    The file is open for writing: a network file system makes of this a lock that asks for it (flock(2), NFS details).
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
