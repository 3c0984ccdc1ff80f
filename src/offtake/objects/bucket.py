"""A bucket with a prefix: upload files atomically, read them as streams, list and remove them.

obstore's messages may contain signatures and keys, so ours never quote them. The cause stays attached; the log names
its class only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, S3Store

from offtake.errors import SettingsError, StorageUnavailable
from offtake.objects.diagnosis import diagnose
from offtake.objects.location import Access, ObjectLocation

_PART_BYTES = 16 * 1024 * 1024  # a larger file is uploaded in several parts
_MAX_PARTS = 9_000  # services accept 10,000 parts per object
_CONCURRENT_PARTS = 3  # each is held in memory
_BLOCK_BYTES = 2 * 1024 * 1024  # read per request; every slow download holds one
_CHUNK_BYTES = 1024 * 1024
_TRUNCATED = "The object storage ended a file early."
_STORES = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
_ACCESS_DENIED = (PermissionDeniedError, UnauthenticatedError)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object as a list shows it; ``mark`` names its version."""

    key: str
    bytes: int
    mark: str
    written_at: datetime


class Bucket:
    """A thread-safe client of one bucket. Every method except ``check`` raises StorageUnavailable on failure."""

    def __init__(self, location: ObjectLocation, access: Access) -> None:
        self.location = location
        self.access = access
        self.store: S3Store | GCSStore | AzureStore = _STORES[location.scheme](
            location.bucket,
            prefix=location.prefix or None,
            config=location.options(access),
            client_options={
                "allow_http": access.allow_http,
                "timeout": timedelta(seconds=access.timeout_seconds),
                "connect_timeout": timedelta(seconds=access.connect_seconds),
            },
            retry_config={
                "max_retries": access.retries,
                "retry_timeout": timedelta(seconds=access.retry_seconds),
            },
        )

    def upload(self, path: Path, key: str, between: Callable[[], None]) -> None:
        """Upload a file, which must not change, and verify the size of the object.

        ``between`` is called before each part; an exception it raises aborts the upload, and no object is created.
        """
        size = path.stat().st_size
        part = max(_PART_BYTES, -(-size // _MAX_PARTS))
        with _storage_errors():
            if size <= part:
                between()
                obstore.put(self.store, key, path.read_bytes(), use_multipart=False)
            else:
                obstore.put(
                    self.store, key, _parts(path, part, between), chunk_size=part, max_concurrency=_CONCURRENT_PARTS
                )
        if self.size(key) != size:
            raise StorageUnavailable("The object storage stored the file with a different size.")

    def size(self, key: str) -> int | None:
        """Return the size of an object in bytes, or None if it does not exist."""
        with _storage_errors():
            try:
                return int(obstore.head(self.store, key)["size"])
            except FileNotFoundError:
                return None

    def state(self, key: str) -> tuple[int, str | None] | None:
        """Return the size of an object and the mark of its version (ETag), or None if it does not exist."""
        with _storage_errors():
            try:
                found = obstore.head(self.store, key)
            except FileNotFoundError:
                return None
            return int(found["size"]), found.get("e_tag")

    def read(self, key: str, first: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from ``first`` up to, not including, ``end``; raises also if there are fewer.

        Each block is a separate request, so a slow reader does not run into the timeout of a request. If the service
        ignores ranges and sends the whole object, one request is made and the bytes before ``first`` are skipped.
        """
        while first < end:
            block = self._block(key, first, min(end, first + _BLOCK_BYTES))
            if block is None:
                yield from self._rest(key, first, end)
                return
            yield block
            first += len(block)

    def _block(self, key: str, first: int, end: int) -> bytes | None:
        """Return that range, or None if the service ignores ranges."""
        try:
            with _storage_errors():
                block = bytes(obstore.get_range(self.store, key, start=first, end=end))
        except StorageUnavailable as error:
            if _ignores_ranges(error):
                return None
            raise
        if len(block) != end - first:
            raise StorageUnavailable(_TRUNCATED)
        return block

    def _rest(self, key: str, first: int, end: int) -> Iterator[bytes]:
        skip, remaining = first, end - first
        with _storage_errors():
            for chunk in obstore.get(self.store, key).stream(min_chunk_size=_CHUNK_BYTES):
                data = bytes(chunk)[skip : skip + remaining]
                skip, remaining = max(0, skip - len(chunk)), remaining - len(data)
                if data:
                    yield data
                if remaining == 0:
                    return
        raise StorageUnavailable(_TRUNCATED)

    def presigned_url(self, key: str, life: timedelta) -> str:
        """Return a URL with which anyone can read the object for that long, without credentials."""
        with _storage_errors():
            return str(obstore.sign(self.store, "GET", key, expires_in=life))

    def remove(self, key: str) -> None:
        """Remove an object, if it exists."""
        with _storage_errors():
            try:
                obstore.delete(self.store, key)
            except FileNotFoundError:
                return

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield all keys under a prefix, page by page."""
        with _storage_errors():
            for page in obstore.list(self.store, prefix=prefix):
                yield from (str(item["path"]) for item in page)

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """Yield all objects under a prefix, page by page."""
        with _storage_errors():
            for page in obstore.list(self.store, prefix=prefix):
                yield from (
                    StoredObject(
                        key=str(each["path"]),
                        bytes=int(each["size"]),
                        mark=str(each["e_tag"] or each["last_modified"]),
                        written_at=each["last_modified"],
                    )
                    for each in page
                )

    def has_conditional_writes(self) -> bool:
        """Return whether the service refuses to create an object that exists; commits of the lake rely on it.

        Leaves one empty object, which later checks reuse.
        """
        with _storage_errors():
            obstore.put(self.store, _PROBE, b"", use_multipart=False)
            try:
                obstore.put(self.store, _PROBE, b"", mode="create", use_multipart=False)
            except obstore.exceptions.AlreadyExistsError:
                return True
            return False

    def check(self, option: str, *, writing: bool = False) -> None:
        """List the bucket and, if ``writing``, store an empty object in it, which later checks reuse.

        Raises SettingsError for a fault that needs an operator, and StorageUnavailable if the service may only be
        unavailable. Both name the setting ``option`` and which of bucket, endpoint and credentials is at fault.
        """
        try:
            next(iter(obstore.list(self.store, prefix=_PROBE, chunk_size=1)), None)
            if writing:
                obstore.put(self.store, _PROBE, b"", use_multipart=False)
        except (BaseError, OSError) as error:
            found = diagnose(error, self.location, self.access)
            error_class = SettingsError if found.needs_operator else StorageUnavailable
            raise error_class(f"{option}: {self.location.url}: {found.text}") from error


_PROBE = ".offtake-probe"


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Translate obstore's errors into StorageUnavailable; the cause stays attached."""
    try:
        yield
    except (BaseError, OSError) as error:
        if isinstance(error, _ACCESS_DENIED):
            message = "The object storage denied access; check the credentials and their permissions."
        else:
            message = "The object storage cannot be read or written."
        raise StorageUnavailable(message) from error


def _ignores_ranges(error: StorageUnavailable) -> bool:
    """Return whether the service ignored the Range header; obstore has no error class for it."""
    return "source: NotPartial" in str(error.__cause__)


def _parts(path: Path, size: int, between: Callable[[], None]) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        between()
        while part := file.read(size):
            yield part
            between()
