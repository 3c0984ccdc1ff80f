"""Decompress an input while it is read: gzip (RFC 1952) and Zstandard (RFC 8878), with the checks of their formats.

Few bytes can expand to any number. Reading is bounded in memory, and an input whose expansion is beyond what data
reaches is refused, so that it costs no hours and no disk either.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from isal import igzip
from isal.igzip_lib import IsalError

from offtake.errors import LakeError
from offtake.lake.ingest.inputs.stream import Counted, Readable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GZIP_MAGIC = b"\x1f\x8b"  # first bytes of each member (RFC 1952, 2.3.1)
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"  # first bytes of a frame (RFC 8878, 3.1.1)
MAX_RATIO = 200  # of expanded to compressed bytes; text of logs reaches about 50
FREE_BYTES = 256 * 1024**2  # that any input may expand to
_DAMAGE = (IsalError, zlib.error, zstd.ZstdError)
_WINDOW_LOG = 27  # 128 MiB: the window of zstd --long, the most that is held in memory


def _gunzip(source: Counted) -> Readable:
    content: gzip.GzipFile = igzip.open(source)  # type: ignore[no-untyped-call]
    return content


def _expand_zstd(source: Counted) -> Readable:
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
    return io.BufferedReader(zstd.ZstdFile(source, options=options))


# By suffix: the program's name, the first bytes, and the function.
COMPRESSIONS: Mapping[str, tuple[str, bytes, Callable[[Counted], Readable]]] = MappingProxyType(
    {".gz": ("gzip", GZIP_MAGIC, _gunzip), ".zst": ("zstd", ZSTD_MAGIC, _expand_zstd)}
)


def compression_of(name: str) -> str | None:
    """Return the suffix of a compressed file, or None."""
    return next((suffix for suffix in COMPRESSIONS if name.lower().endswith(suffix)), None)


def without_compression(name: str) -> str:
    """Return the name in lower case, without the suffix of a compression."""
    return name.lower().removesuffix(compression_of(name) or "")


class Expanded:
    """The content of a compressed input. ``read`` raises LakeError for damage and for a bomb."""

    def __init__(self, name: str, source: Readable, suffix: str) -> None:
        self._name = name
        self._stored = Counted(source)
        _, _, expand = COMPRESSIONS[suffix]
        with damage(name):
            self._content = expand(self._stored)
        self._count = 0

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; empty only at the end."""
        with damage(self._name):
            found = self._content.read(size)
        self._count += len(found)
        refuse_bomb(self._name, self._count, self._stored.count)
        return found


def refuse_bomb(name: str, expanded: int, stored: int) -> None:
    """Raise LakeError if so many bytes cannot be the data of an input of ``stored`` bytes."""
    if expanded > FREE_BYTES and expanded > MAX_RATIO * stored:
        raise LakeError(
            f"{name}: the data expands to more than {FREE_BYTES // 1024**2} MiB and more than {MAX_RATIO} times its "
            "compressed size, as files do that are made to exhaust a machine. If you trust the file, decompress it and "
            "load the result. Nothing was loaded."
        )


@contextmanager
def damage(name: str) -> Iterator[None]:
    """Translate the faults of compressed data into LakeError that names the input."""
    try:
        yield
    except EOFError as error:
        raise LakeError(
            f"{name}: the compressed data ends too early, or a single byte follows its end. Copy or write the file "
            "again."
        ) from error
    except gzip.BadGzipFile as error:
        if not str(error).startswith("Not a gzipped file"):
            raise LakeError(f"{name}: the file cannot be read: {error}") from error
        raise LakeError(
            f"{name}: other bytes follow the end of the compressed data. Remove them, or compress the file again."
        ) from error
    except _DAMAGE as error:  # type: ignore[misc] # the stub of isal has a value where the class is
        raise LakeError(f"{name}: the compressed data is damaged ({error}). Copy or write the file again.") from error
