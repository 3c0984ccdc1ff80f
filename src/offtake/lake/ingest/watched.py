"""The files at a location that is watched: a folder or a prefix of a bucket."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from offtake.errors import LakeError
from offtake.lake.ingest.inputs.objects import split_url, storage_faults
from offtake.objects.bucket import Bucket
from offtake.objects.location import SERVICES, ObjectLocation
from offtake.settings_messages import escaped

_PAGE = 1_000
_HIDDEN = (".", "_")  # names of files that are being written or belong to other programs


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedFile:
    """A file as it was seen. ``word`` names it for ``InputExpander``."""

    name: str
    word: str
    bytes: int
    fingerprint: str
    appears_complete: bool  # an object; a local file may still be written


def watched_files(
    location: str, pattern: str, bucket: Callable[[ObjectLocation], Bucket]
) -> Iterator[Sequence[WatchedFile]]:
    """Yield the files directly at the location whose names match the pattern, in pages and in no order.

    Raises LakeError, which says which of bucket, endpoint and credentials is wrong.
    """
    scheme = location.partition("://")[0] if "://" in location else ""
    if scheme in SERVICES:
        found = _objects(location, bucket)
    elif scheme in ("", "file"):
        found = _local(Path(unquote(urlsplit(location).path)) if scheme else Path(location))
    else:
        known = ", ".join(f"{name}://" for name in ("file", *SERVICES))
        raise LakeError(f"{scheme}://: such a location cannot be watched; name a folder or a URL with {known}.")
    names = (each for each in found if not each.name.startswith(_HIDDEN) and fnmatchcase(each.name, pattern))
    while page := list(islice(names, _PAGE)):
        yield page


def _objects(location: str, bucket: Callable[[ObjectLocation], Bucket]) -> Iterator[WatchedFile]:
    where, key = split_url(location)
    prefix = f"{key.rstrip('/')}/" if key else ""
    found = bucket(where)
    with storage_faults(found, prefix):
        for each in found.objects(prefix.rstrip("/")):
            if each.key.startswith(prefix) and "/" not in each.key.removeprefix(prefix):
                yield WatchedFile(
                    name=each.key.removeprefix(prefix),
                    word=f"{where.scheme}://{where.bucket}/{each.key}",
                    bytes=each.bytes,
                    fingerprint=each.mark,
                    appears_complete=True,
                )


def _local(folder: Path) -> Iterator[WatchedFile]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                known = _state(Path(entry.path))
                if known is not None:
                    path = str(folder.absolute() / entry.name)
                    size, mark = known
                    yield WatchedFile(
                        name=escaped(entry.name), word=path, bytes=size, fingerprint=mark, appears_complete=False
                    )
    except OSError as error:
        raise LakeError(f"{folder}: the folder cannot be read: {error.strerror}.") from error


def _state(path: Path) -> tuple[int, str] | None:
    try:
        found = path.stat()
    except OSError:  # it is gone
        return None
    return (found.st_size, str(found.st_mtime_ns)) if stat.S_ISREG(found.st_mode) else None
