"""Artifacts in object storage: staged locally, sent under their final key, then looked at there.

An object appears whole or not at all. No condition is put on its creation: its key carries the fence, so nobody else
ever writes it, and a condition would turn a request that the client repeats, because its answer was lost, into a
failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from offtake.artifacts.store import FILES, ArtifactStore, StoredFile, storage_error, stored
from offtake.objects.bucket import Bucket
from offtake.objects.multipart_uploads import abort, list_multipart_uploads


class BucketArtifacts(ArtifactStore):
    """``root`` is this machine's folder for what is being written."""

    def __init__(self, root: Path, bucket: Bucket) -> None:
        super().__init__(root)
        self._bucket = bucket

    def check(self) -> bool:
        """Look into the bucket."""
        return self._bucket.probe("artifacts_url")

    def keep(self, staged: Path, key: str, between: Callable[[], None]) -> None:
        """Send it, in parts when it is large."""
        try:
            self._bucket.upload(staged, key, between)
        except OSError as error:  # of the local file
            raise storage_error(error) from error

    def size(self, key: str) -> int | None:
        """What the service says."""
        return self._bucket.size(key)

    def read(self, key: str, first: int, end: int) -> Iterator[bytes]:
        """As the service sends it."""
        return self._bucket.read(key, first, end)

    def remove(self, key: str) -> None:
        """Absent is fine."""
        self._bucket.remove(key)

    def published(self) -> Iterator[StoredFile]:
        """Objects, and uploads that were never finished: those have the key that they were meant for."""
        for key in self._bucket.keys(f"{FILES}/"):
            yield from stored(key, partial(self._bucket.remove, key))
        for found in list_multipart_uploads(self._bucket, f"{FILES}/"):
            yield from stored(found.key, partial(abort, self._bucket, found))
