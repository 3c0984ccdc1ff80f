"""One bucket and prefix: files are sent whole or not at all, read as streams, listed and removed.

The client's own texts may quote signatures and keys, so ours never repeat them; the cause stays attached for the log,
which names its kind only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.exceptions import BaseError, GenericError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, S3Store

from offtake.errors import SettingsError, StorageUnavailable
from offtake.objects.location import Access, ObjectLocation

_PART = 16 * 1024 * 1024  # bytes; a file that is larger is sent in several parts
_PARTS = 9_000  # a service takes 10,000 parts of one object
_AT_ONCE = 3  # parts under way: so many are held in memory
_BLOCK = 4 * 1024 * 1024  # bytes that are asked for at once when a file is read
_CHUNK = 1024 * 1024
_CUT = "The object storage broke off in the middle of a file."
_STORES = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
_REFUSED = (PermissionDeniedError, UnauthenticatedError)


class Bucket:
    """Safe for threads. Every method but ``probe`` raises StorageUnavailable when the service does not do as asked."""

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
        """Send a file that does not change, then ask the service how large it is there.

        ``between`` is called before each part; what it raises ends the upload, and nothing appears under the key.
        """
        size = path.stat().st_size
        part = max(_PART, -(-size // _PARTS))
        with _ours():
            if size <= part:
                between()
                obstore.put(self.store, key, path.read_bytes(), use_multipart=False)
            else:
                obstore.put(self.store, key, _parts(path, part, between), chunk_size=part, max_concurrency=_AT_ONCE)
        if self.size(key) != size:
            raise StorageUnavailable("The object storage did not keep the whole file.")

    def size(self, key: str) -> int | None:
        """How many bytes an object has, or None when there is no such object."""
        with _ours():
            try:
                return int(obstore.head(self.store, key)["size"])
            except FileNotFoundError:
                return None

    def read(self, key: str, first: int, end: int) -> Iterator[bytes]:
        """The bytes from ``first`` up to, not including, ``end``, block by block; raises as well when there are fewer.

        Each block is a request of its own: a reader may take as long as it likes between two, while a request that is
        not read to its end runs into its time limit. Some services answer a range with the whole object. Then there is
        one request, and everything before ``first`` is dropped.
        """
        while first < end:
            block = self._block(key, first, min(end, first + _BLOCK))
            if block is None:
                yield from self._rest(key, first, end)
                return
            yield block
            first += len(block)

    def _block(self, key: str, first: int, end: int) -> bytes | None:
        """That range, or None when the service answers with the whole object."""
        try:
            with _ours():
                block = bytes(obstore.get_range(self.store, key, start=first, end=end))
        except StorageUnavailable as error:
            if _ignores_ranges(error):
                return None
            raise
        if len(block) != end - first:
            raise StorageUnavailable(_CUT)
        return block

    def _rest(self, key: str, first: int, end: int) -> Iterator[bytes]:
        skip, left = first, end - first
        with _ours():
            for chunk in obstore.get(self.store, key).stream(min_chunk_size=_CHUNK):
                wanted = bytes(chunk)[skip : skip + left]
                skip, left = max(0, skip - len(chunk)), left - len(wanted)
                if wanted:
                    yield wanted
                if left == 0:
                    return
        raise StorageUnavailable(_CUT)

    def remove(self, key: str) -> None:
        """Remove an object; absent is fine."""
        with _ours():
            try:
                obstore.delete(self.store, key)
            except FileNotFoundError:
                return

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys under a prefix, page by page."""
        with _ours():
            for page in obstore.list(self.store, prefix=prefix):
                yield from (str(found["path"]) for found in page)

    def has_conditional_writes(self) -> bool:
        """Whether the service refuses to create an object that exists, on which every commit of the lake relies.

        Leaves one empty object behind, for the next who asks.
        """
        with _ours():
            obstore.put(self.store, _PROBE, b"", use_multipart=False)
            try:
                obstore.put(self.store, _PROBE, b"", mode="create", use_multipart=False)
            except obstore.exceptions.AlreadyExistsError:
                return True
            return False

    def probe(self, option: str) -> bool:
        """Look whether the bucket may be listed; False when the service does not answer.

        Raises SettingsError, which names the ``option`` that the bucket comes from, when that cannot pass by itself.
        """
        try:
            next(iter(obstore.list(self.store, prefix=_PROBE, chunk_size=1)), None)
        except (*_REFUSED, FileNotFoundError, GenericError) as error:
            fault = _lasting_fault(error)
            if fault is None:
                return False
            raise SettingsError(f"{option}: {self.location.url}: {fault}") from error
        return True


_PROBE = ".offtake-probe"


@contextmanager
def _ours() -> Iterator[None]:
    """The one seam where the client's errors become ours, the cause kept."""
    try:
        yield
    except (BaseError, OSError) as error:
        if isinstance(error, _REFUSED):
            message = "The object storage refuses the credentials, or they do not allow this."
        else:
            message = "The object storage cannot be read or written."
        raise StorageUnavailable(message) from error


def _ignores_ranges(error: StorageUnavailable) -> bool:
    """The client has no class of its own for it."""
    return "source: NotPartial" in str(error.__cause__)


def _lasting_fault(error: Exception) -> str | None:
    """What an operator has to mend, or None when the service may simply be away."""
    text = str(error)
    if isinstance(error, _REFUSED) or "403 Forbidden" in text or "401 Unauthorized" in text:
        return "the credentials are refused, or do not allow to list the bucket"
    if isinstance(error, FileNotFoundError) or "404 Not Found" in text:
        return "there is no such bucket"
    if "301 Moved" in text or "AuthorizationHeaderMalformed" in text:
        return "the bucket is in another region; set [storage] region"
    return None


def _parts(path: Path, size: int, between: Callable[[], None]) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        between()
        while part := file.read(size):
            yield part
            between()
