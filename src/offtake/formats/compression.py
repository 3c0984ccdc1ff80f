"""Compression of whole files: the streams that compress and expand them, and the counter of a compressed file.

A compressed file is verified like any other: its bytes are expanded again and the records in them counted.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, cast

from isal import igzip_lib, isal_zlib

from offtake.formats.format import Format, RecordCounter
from offtake.model.format_options import Compression
from offtake.model.layout import Framing

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP = 16 + zlib.MAX_WBITS  # with the header and the checksum of gzip (RFC 1952)
_GZIP_LEVEL = 2  # of ISA-L, whose levels are 0 to 3
_ZSTD_LEVEL = 3


class Compressor(Protocol):
    """A stream that is compressed piece by piece."""

    def compress(self, data: bytes, /) -> bytes:
        """Return compressed bytes, possibly none yet."""

    def flush(self) -> bytes:
        """Return the rest; the stream is complete."""


class Expander(Protocol):
    """A compressed stream that is expanded piece by piece. ``eof``: the stream is complete."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream, with its checksum, has been read."""

    @property
    def unused_data(self) -> bytes:
        """Bytes behind the end of the stream."""

    def decompress(self, data: bytes, /) -> bytes:
        """Return the bytes of the stream that these bytes yield. Raises an error if they are damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One compression: its suffix, media type and streams."""

    suffix: str
    media_type: str
    compressor: Callable[[], Compressor]
    expander: Callable[[], Expander]


CODECS: dict[Compression, Codec] = {
    Compression.GZIP: Codec(
        suffix="gz",
        media_type="application/gzip",
        compressor=lambda: isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP),
        expander=lambda: isal_zlib.decompressobj(_GZIP),
    ),
    Compression.ZSTD: Codec(
        suffix="zst",
        media_type="application/zstd",
        compressor=lambda: zstd.ZstdCompressor(
            options={
                zstd.CompressionParameter.compression_level: _ZSTD_LEVEL,
                zstd.CompressionParameter.checksum_flag: 1,
            }
        ),
        expander=zstd.ZstdDecompressor,
    ),
}
# The type stub of isal declares the error class as an instance.
_ERRORS = (cast("type[Exception]", igzip_lib.error), zstd.ZstdError, EOFError)


class ExpandingCounter:
    """Counts the records of a compressed file; the file is incomplete if its stream is not whole."""

    def __init__(self, counter: RecordCounter, expander: Expander) -> None:
        self._counter = counter
        self._expander = expander
        self._is_damaged = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if self._is_damaged or not chunk:
            return
        if self._expander.eof:
            self._is_damaged = True
            return
        try:
            expanded = self._expander.decompress(chunk)
        except _ERRORS:
            self._is_damaged = True
            return
        self._counter.feed(expanded)

    def seen(self) -> int:
        """Return a lower bound of the number of rows so far."""
        return self._counter.seen()

    def records(self) -> int:
        """Return the number of records."""
        if self._is_damaged or not self._expander.eof or self._expander.unused_data:
            raise ValueError("the compressed stream is damaged or incomplete")
        return self._counter.records()


def compressed(file_format: Format, compression: Compression) -> Format:
    """Return the format of files that are compressed after they were written."""
    codec, count = CODECS[compression], file_format.counter

    def counter(framing: Framing, path: Path) -> RecordCounter:
        return ExpandingCounter(count(framing, path), codec.expander())

    return replace(
        file_format,
        suffix=f"{file_format.suffix}.{codec.suffix}",
        media_type=codec.media_type,
        is_text=False,
        counter=counter,
        stage=compression,
    )
