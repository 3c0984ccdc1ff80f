"""Objects of a bucket as inputs: streamed by ranges, so that a broken connection costs one block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from functools import partial
from pathlib import PurePosixPath

from offtake.errors import LakeError, StorageUnavailable
from offtake.lake.ingest.inputs.compression import compression_of
from offtake.lake.ingest.inputs.input_file import Input, InputFile, expanded
from offtake.lake.ingest.inputs.stream import Blocks
from offtake.objects.bucket import Bucket
from offtake.objects.diagnosis import diagnose
from offtake.objects.location import ObjectLocation

_WILDCARDS = "*?["


def split_url(url: str) -> tuple[ObjectLocation, str]:
    """Return the bucket of a URL and the key in it, which is no pattern. Raises LakeError."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if not bucket or "@" in bucket:
        raise LakeError(f"{scheme}://: name the bucket and the object: {scheme}://bucket/key.")
    return ObjectLocation(scheme=scheme, bucket=bucket, prefix=""), key


def object_input(bucket: Bucket, key: str, form: str | None) -> Input:
    """Return an object as an input; it is not opened yet."""
    file_name = PurePosixPath(key).name
    return Input(name=_name(bucket, key), file_name=file_name, open=partial(_open, bucket, key), form=form)


def keys_under(bucket: Bucket, prefix: str) -> list[str]:
    """Return all keys that begin with the prefix, sorted. Raises LakeError."""
    folder = prefix.rpartition("/")[0]
    with storage_faults(bucket, prefix):
        return sorted(key for key in bucket.keys(folder) if key.startswith(prefix))


def matching_keys(bucket: Bucket, pattern: str) -> list[str]:
    """Return the keys that match a pattern, sorted; ``*``, ``?`` and ``[…]`` match no slash. Raises LakeError."""
    first = min((pattern.index(mark) for mark in _WILDCARDS if mark in pattern), default=len(pattern))
    wanted = pattern.split("/")
    return [
        key
        for key in keys_under(bucket, pattern[:first])
        if len(parts := key.split("/")) == len(wanted) and all(map(fnmatchcase, parts, wanted))
    ]


@contextmanager
def _open(bucket: Bucket, key: str) -> Iterator[InputFile]:
    name, file_name = _name(bucket, key), PurePosixPath(key).name
    with storage_faults(bucket, key):
        found = bucket.state(key)
        if found is None:
            next(bucket.keys(key), None)  # fails if the bucket does not exist either, which ``state`` does not tell
    if found is None:
        raise LakeError(f"{name}: there is no such object.")

    def blocks() -> Iterator[bytes]:
        with storage_faults(bucket, key):
            yield from bucket.read(key, 0, found[0])
            if bucket.state(key) != found:
                raise LakeError(f"{name}: the object changed while it was read. Load it again.")

    with ExitStack() as opened:
        content = expanded(name, Blocks(blocks()), compression_of(file_name))
        yield InputFile(name=name, file_name=file_name, content=content, descriptor=None, opened=opened)


@contextmanager
def storage_faults(bucket: Bucket, key: str) -> Iterator[None]:
    """Translate a fault of the storage into LakeError that says which of bucket, endpoint and credentials is wrong."""
    try:
        yield
    except StorageUnavailable as error:
        cause = error.__cause__
        text = diagnose(cause, bucket.location, bucket.access).text if isinstance(cause, Exception) else error.message
        raise LakeError(f"{_name(bucket, key)}: {text}. Nothing was loaded.") from error


def _name(bucket: Bucket, key: str) -> str:
    return f"{bucket.location.scheme}://{bucket.location.bucket}/{key}"
