"""Artifacts in a local folder, published by a rename, which is atomic within one file system."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from offtake.artifacts.store import (
    FILES,
    ArtifactStore,
    StoredFile,
    flush_folder,
    listed,
    remove_path,
    storage_error,
    stored,
)
from offtake.errors import StorageUnavailable

_CHUNK = 256 * 1024  # every slow download holds one


class FolderArtifacts(ArtifactStore):
    """Publishes to ``files/``, on the same file system as the staging folder."""

    def prepare(self) -> None:
        """Create the folders."""
        super().prepare()
        (self.root / FILES).mkdir(parents=True, exist_ok=True)
        self.capacity = shutil.disk_usage(self.root).total

    def check(self) -> bool:
        """Return True: ``prepare`` created the folders."""
        return True

    def path(self, key: str) -> Path:
        """Return the path of a key."""
        return self.root / key

    def keep(self, staged: Path, key: str, between: Callable[[], None]) -> None:
        """Rename the file and flush both folders."""
        between()
        target = self.path(key)
        try:
            if not target.parent.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
                flush_folder(target.parent.parent)
            staged.rename(target)
            flush_folder(target.parent)
            flush_folder(staged.parent)
        except OSError as error:
            raise storage_error(error) from error

    def size(self, key: str) -> int | None:
        """Return the file's size."""
        try:
            return self.path(key).stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_error(error) from error

    def read(self, key: str, first: int, end: int) -> Iterator[bytes]:
        """Read in chunks that are large enough for one thread switch each."""
        try:
            with self.path(key).open("rb", buffering=0) as file:
                file.seek(first)
                while first < end:
                    chunk = file.read(min(_CHUNK, end - first))
                    if not chunk:
                        raise StorageUnavailable("The file is shorter than expected.")
                    first += len(chunk)
                    yield chunk
        except OSError as error:
            raise storage_error(error) from error

    def remove(self, key: str) -> None:
        """Remove the file, if it exists."""
        remove_path(self.path(key))

    def published(self) -> Iterator[StoredFile]:
        """Yield the files; a rename is atomic, so there are no unfinished ones."""
        for path in listed(self.root / FILES, "*/*"):
            yield from stored(path.relative_to(self.root).as_posix(), partial(remove_path, path))
