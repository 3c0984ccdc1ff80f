"""Parse the Range header (RFC 9110 section 14)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_RANGES = re.compile(r"bytes\s*=\s*((\d{1,18}-\d{0,18}|-\d{1,18})\s*(,\s*|$))+", re.ASCII | re.IGNORECASE)
_MAX_RANGES = 100  # per request; a request with more gets the whole file


@dataclass(frozen=True, slots=True, order=True)
class ByteRange:
    """The bytes from ``first`` up to, not including, ``end``; never empty."""

    first: int
    end: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.end - self.first

    def of(self, size: int) -> str:
        """Return the value of the Content-Range header for a file of ``size`` bytes."""
        return f"bytes {self.first}-{self.end - 1}/{size}"


def parse_ranges(header: str | None, size: int) -> Sequence[ByteRange] | None:
    """Return the requested ranges of a file of ``size`` bytes, sorted; adjacent and overlapping ranges are merged.

    None if the whole file is to be sent: the header is absent, or must be ignored because it is not a valid list of
    byte ranges. Empty if no range overlaps the file (416).
    """
    if header is None or not _RANGES.fullmatch(header.strip()):
        return None
    pairs = [part.strip().partition("-")[::2] for part in header.partition("=")[2].split(",") if part.strip()]
    if len(pairs) > _MAX_RANGES or any(first and last and int(first) > int(last) for first, last in pairs):
        return None
    ranges = sorted(each for pair in pairs if (each := _range(*pair, size=size)).first < each.end)
    merged: list[ByteRange] = []
    for each in ranges:
        if merged and each.first <= merged[-1].end:
            last = merged.pop()
            merged.append(ByteRange(last.first, max(last.end, each.end)))
        else:
            merged.append(each)
    return merged


def _range(first: str, last: str, *, size: int) -> ByteRange:
    """Return one range clipped to the file; empty if it starts beyond the end."""
    if not first:
        return ByteRange(max(0, size - int(last)), size)
    return ByteRange(int(first), min(size, int(last) + 1) if last else size)
