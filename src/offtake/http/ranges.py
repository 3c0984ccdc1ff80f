"""Which bytes of a file a request asks for (RFC 9110 section 14). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_RANGES = re.compile(r"bytes\s*=\s*((\d{1,18}-\d{0,18}|-\d{1,18})\s*(,\s*|$))+", re.ASCII | re.IGNORECASE)
_MOST = 100  # ranges of one request; who asks for more gets the whole file


@dataclass(frozen=True, slots=True, order=True)
class ByteRange:
    """The bytes from ``first`` up to, not including, ``end``: never none."""

    first: int
    end: int

    @property
    def length(self) -> int:
        """How many."""
        return self.end - self.first

    def of(self, size: int) -> str:
        """Value of a Content-Range header."""
        return f"bytes {self.first}-{self.end - 1}/{size}"


def parse_ranges(header: str | None, size: int) -> Sequence[ByteRange] | None:
    """The stretches of a file of that size which a Range header asks for, none of them touching another.

    None when the whole file is to be sent: there is no header, or it names no ranges of bytes, in which case it is to
    be ignored. Empty when no range touches the file (416).
    """
    if header is None or not _RANGES.fullmatch(header.strip()):
        return None
    pairs = [part.strip().partition("-")[::2] for part in header.partition("=")[2].split(",") if part.strip()]
    if len(pairs) > _MOST or any(first and last and int(first) > int(last) for first, last in pairs):
        return None
    found = sorted(each for pair in pairs if (each := _range(*pair, size=size)).first < each.end)
    merged: list[ByteRange] = []
    for each in found:
        if merged and each.first <= merged[-1].end:
            last = merged.pop()
            merged.append(ByteRange(last.first, max(last.end, each.end)))
        else:
            merged.append(each)
    return merged


def _range(first: str, last: str, *, size: int) -> ByteRange:
    """Cut to the file; without bytes where the range is beyond it."""
    if not first:
        return ByteRange(max(0, size - int(last)), size)
    return ByteRange(int(first), min(size, int(last) + 1) if last else size)
