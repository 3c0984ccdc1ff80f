"""Artifacts in object storage: staged locally, uploaded under their final key, then verified there.

Objects appear atomically. Uploads are unconditional: the key contains the fence, so no other attempt writes it, and a
condition would make the client's retry fail after a lost response.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from offtake.artifacts.store import FILES, ArtifactStore, StoredFile, storage_error, stored
from offtake.objects.bucket import Bucket
from offtake.objects.multipart_uploads import abort, list_multipart_uploads


class BucketArtifacts(ArtifactStore):
    """Publishes to a bucket; ``root`` is this machine's staging folder."""

    def __init__(self, root: Path, bucket: Bucket) -> None:
        super().__init__(root)
        self._bucket = bucket
        self.presign = bucket.presigned_url

    def check(self) -> None:
        """List the bucket."""
        self._bucket.check("artifacts_url")

    def keep(self, staged: Path, key: str, between: Callable[[], None]) -> None:
        """Upload the file, in several parts if it is large."""
        try:
            self._bucket.upload(staged, key, between)
        except OSError as error:  # from reading the local file
            raise storage_error(error) from error

    def size(self, key: str) -> int | None:
        """Return the object's size."""
        return self._bucket.size(key)

    def read(self, key: str, first: int, end: int) -> Iterator[bytes]:
        """Stream the object's bytes."""
        return self._bucket.read(key, first, end)

    def remove(self, key: str) -> None:
        """Remove the object, if it exists."""
        self._bucket.remove(key)

    def published(self) -> Iterator[StoredFile]:
        """Yield objects, and unfinished multipart uploads under their target key."""
        for key in self._bucket.keys(f"{FILES}/"):
            yield from stored(key, partial(self._bucket.remove, key))
        for upload in list_multipart_uploads(self._bucket, f"{FILES}/"):
            yield from stored(upload.key, partial(abort, self._bucket, upload))
