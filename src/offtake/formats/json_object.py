"""Rows as JSON objects, byte by byte as the engine's ``to_json`` writes them (RFC 8259, 7: strings)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from offtake.formats.format import RawCell
from offtake.formats.row_writer import pieces

# The backslash first, because the other escapes contain it.
_SHORT_ESCAPES = (
    (b"\\", rb"\\"),
    (b'"', rb"\""),
    (b"\n", rb"\n"),
    (b"\r", rb"\r"),
    (b"\t", rb"\t"),
    (b"\b", rb"\b"),
    (b"\f", rb"\f"),
)
_OTHER_CONTROLS = bytes(set(range(0x20)) - set(b"\n\r\t\b\f"))
_OTHER_CONTROL = re.compile(b"[" + re.escape(_OTHER_CONTROLS) + b"]")


class JsonObject:
    """Encodes rows as objects with these keys. Text is raw UTF-8; other values are JSON already."""

    def __init__(self, headers: Sequence[str], texts: Sequence[bool]) -> None:
        keys = [b"".join(_string(header.encode())) + b":" for header in headers]
        self._columns = [
            (b"," + key if number else b"{" + key, is_text)
            for number, (key, is_text) in enumerate(zip(keys, texts, strict=True))
        ]

    def __call__(self, row: Sequence[RawCell]) -> Iterator[bytes]:
        """Yield the object of a row in pieces."""
        for (key, is_text), cell in zip(self._columns, row, strict=True):
            yield key
            if cell is None:
                yield b"null"
            elif isinstance(cell, list):
                yield from _array(cell)
            elif is_text:
                yield from _string(cell)
            else:
                yield cell
        yield b"}"


def _array(items: Sequence[bytes | None]) -> Iterator[bytes]:
    yield b"["
    for number, item in enumerate(items):
        if number:
            yield b","
        if item is None:
            yield b"null"
        else:
            yield from _string(item)
    yield b"]"


def _string(text: bytes) -> Iterator[bytes]:
    yield b'"'
    for piece in pieces(text):
        yield _escaped(piece)
    yield b'"'


def _escaped(piece: bytes) -> bytes:
    for character, escape in _SHORT_ESCAPES:
        if character in piece:
            piece = piece.replace(character, escape)
    if len(piece.translate(None, _OTHER_CONTROLS)) < len(piece):  # faster than the search
        piece = _OTHER_CONTROL.sub(lambda match: b"\\u%04X" % match[0][0], piece)
    return piece
