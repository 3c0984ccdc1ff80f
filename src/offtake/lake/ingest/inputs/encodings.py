"""Decode text to UTF-8 while it is read.

An encoding comes from a byte order mark or from the operator, never from a guess: a wrong guess would store wrong names
without a word.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from types import MappingProxyType

from offtake.errors import LakeError
from offtake.lake.ingest.inputs.stream import Content, Readable

UTF_8 = "utf-8"
BYTE_ORDER_MARK = codecs.BOM_UTF8  # it may begin a text file and is no part of it
# UTF-32 comes first: its little-endian mark begins as that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MARK_BYTES = 4
# By the name that --encoding takes: Python's codec.
ENCODINGS: Mapping[str, str] = MappingProxyType(
    {
        UTF_8: UTF_8,
        "utf-16": "utf-16",  # with a mark, which tells the byte order
        "utf-16-le": "utf-16-le",
        "utf-16-be": "utf-16-be",
        "utf-32": "utf-32",
        "utf-32-le": "utf-32-le",
        "utf-32-be": "utf-32-be",
        "latin-1": "iso8859-1",
        "iso-8859-1": "iso8859-1",
        "iso-8859-2": "iso8859-2",
        "iso-8859-15": "iso8859-15",
        "windows-1250": "cp1250",
        "windows-1251": "cp1251",
        "windows-1252": "cp1252",
        "windows-1253": "cp1253",
        "windows-1254": "cp1254",
        "windows-1257": "cp1257",
        "cp437": "cp437",
        "cp850": "cp850",
        "mac-roman": "mac-roman",
        "koi8-r": "koi8-r",
        "shift-jis": "cp932",
        "euc-jp": "euc-jp",
        "euc-kr": "cp949",
        "gb18030": "gb18030",
        "big5": "big5",
    }
)
_WITH_MARK = {"utf-16", "utf-32"}


def check_encoding(name: str) -> str:
    """Return the name as ``ENCODINGS`` has it. Raises LakeError."""
    wanted = name.strip().lower().replace("_", "-")
    same = {known.replace("-", ""): known for known in ENCODINGS} | {"cp1252": "windows-1252", "latin1": "latin-1"}
    found = same.get(wanted.replace("-", ""))
    if found is None:
        raise LakeError(f"--encoding: {name!r} is not known; the encodings are {', '.join(ENCODINGS)}.")
    return found


def mark_of(content: Content) -> str | None:
    """Return the encoding that a byte order mark tells; None without a mark, and for UTF-8."""
    start = content.start(_MARK_BYTES)
    return next((name for mark, name in _MARKS if start.startswith(mark)), None)


def as_utf_8(name: str, content: Content, encoding: str | None) -> Content:
    """Return the text in UTF-8: from ``encoding``, else as a byte order mark tells, else unchanged.

    Raises LakeError if the mark contradicts the encoding.
    """
    marked = mark_of(content)
    if encoding is None and marked is None:
        return content
    if encoding in _WITH_MARK and marked is None:
        raise LakeError(
            f"{name}: --encoding {encoding}: the file has no byte order mark; give {encoding}-le or {encoding}-be."
        )
    if encoding is not None and marked is not None and not marked.startswith(encoding):
        raise LakeError(
            f"{name}: --encoding {encoding}: the file begins with the byte order mark of {marked.upper()}; leave the "
            "option out."
        )
    wanted = marked or encoding or UTF_8
    return content if wanted == UTF_8 else Content(Transcoded(name, content, wanted))


class Transcoded:
    """Text of another encoding, as UTF-8. ``read`` raises LakeError with the line of bytes that are no text."""

    def __init__(self, name: str, source: Readable, encoding: str) -> None:
        self._name = name
        self._source = source
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(ENCODINGS[encoding])()
        self._line = 1
        self._is_first = True

    def read(self, size: int, /) -> bytes:
        """Return the text of up to ``size`` bytes; empty only at the end."""
        while True:
            block = self._source.read(size)
            text = self._decode(block)
            if self._is_first and text:
                self._is_first = False
                text = text.removeprefix("\ufeff")
            if text or not block:
                self._line += text.count("\n")
                return text.encode()

    def _decode(self, block: bytes) -> str:
        try:
            return self._decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line = self._line + error.object[: error.start].decode(error.encoding, "replace").count("\n")
            found = error.object[error.start : error.end].hex(" ")
            raise LakeError(
                f"{self._name}:{line}: the bytes {found} are no text in {self._encoding}. Give the file's "
                "encoding with --encoding, or write the file again in UTF-8. Nothing was loaded."
            ) from error
