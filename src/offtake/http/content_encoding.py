"""gzip as the content coding of a response (RFC 9110 8.4 and 12.5.3)."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from isal import isal_zlib

_LEVEL = 1  # of 0 to 3: four times as fast as zlib's fastest level, for files of a similar size
_GZIP = 31  # window bits: 15, and 16 for the header and trailer of gzip
_CODING = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:;\s*[qQ]\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?")


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header names gzip and does not prefer the unencoded content to it.

    ``*`` names no coding: a client that cannot decode gzip may send it.
    """
    weights: dict[str, float] = {}
    for item in header.split(","):
        found = _CODING.fullmatch(item)
        if found:
            weights[found[1].lower()] = 1.0 if found[2] is None else float(found[2])
    gzip = max(weights.get("gzip", 0.0), weights.get("x-gzip", 0.0))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def compress(chunks: Iterator[bytes]) -> Generator[bytes]:
    """Yield the chunks compressed by gzip. Memory does not grow with their number."""
    coder = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP)
    for chunk in chunks:
        if compressed := coder.compress(chunk):
            yield compressed
    yield coder.flush()
