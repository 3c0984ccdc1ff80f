"""Split a CSV file into its header and chunks of whole records.

A quote opens a field only at its start, and a doubled quote does not close it. Line ends are LF or CRLF, also mixed;
between quotes they belong to the value. A carriage return (CR) alone outside quotes is neither, and breaks its record.

The engine gets LF at the end of every record, and an option that says so: otherwise it takes the first line end of a
chunk for that of all records, even between quotes. Most chunks are counted by the positions of their quotes alone, in a
few passes of bytes methods. A chunk whose quotes, line ends or blank lines need care is split record by record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from offtake.errors import LakeError
from offtake.lake.ingest.chunks import (
    CHUNK_BYTES,
    MAX_ROW_BYTES,
    BrokenRecord,
    Record,
    TextChunk,
    join_records,
    next_block,
    row_too_long,
)
from offtake.lake.ingest.inputs.encodings import BYTE_ORDER_MARK
from offtake.lake.ingest.inputs.input_file import InputFile

MAX_HEADER_BYTES = 1024 * 1024
# What may stand before and after a quoted field; nothing stands between two quotes.
_BEFORE_OPENING, _AFTER_CLOSING = {b"", b",", b"\n"}, {b"", b",", b"\r", b"\n"}
_FIRST, _LAST = itemgetter(slice(0, 1)), itemgetter(slice(-1, None))
_MANY_QUOTES = 1024 * 1024  # more are not split into a list, which takes 40 bytes per quote
_QUOTE = re.compile(rb'"')
_FIELD_END = re.compile(rb'"| *(,|\Z)')  # after a closing quote; another one is a doubled quote
_FIELD = rb'(?:"(?:[^"]++|"")*+"|[^",]*+)'
_ORDINARY = re.compile(_FIELD + rb"(?:," + _FIELD + rb")*+")  # a record whose quotes are all in their places
_BARE_CR = re.compile(rb"\r(?!\n)")
QUOTE_FAULT = "a quoted field is not closed, or text follows its closing quote; double quotes inside a field"
_CR_FAULT = (
    "a carriage return (CR) is outside quotes; enclose the field in double quotes, or end every line with LF or CRLF"
)


class CsvSplitter:
    """Reads one file. ``one_column`` must be set before the chunks are read: only there a blank line is a record."""

    def __init__(self, file: InputFile) -> None:
        self._file = file
        self._pending = b""  # read, but not yet returned
        self._line = 1  # of the first byte of ``_pending``
        self._is_last = False
        self.one_column = False

    def header(self) -> str:
        """Read the first record and return its text, empty if there is none. Raises LakeError."""
        self._read()
        self._pending = self._pending.removeprefix(BYTE_ORDER_MARK)
        while True:
            first = next(_records(self._pending[: MAX_HEADER_BYTES + 1], 1, is_last=self._is_last), None)
            if first is not None:
                break
            if len(self._pending) > MAX_HEADER_BYTES:
                raise LakeError(
                    f"{self._file.name}:1: the header is longer than {MAX_HEADER_BYTES // 1024**2} MiB; the first line "
                    "must hold the names of the columns."
                )
            if self._is_last:
                return ""
            self._read()
        record, end = first
        self._line += self._pending.count(b"\n", 0, end)
        self._pending = self._pending[end:]
        if _has_bare_cr(record.content):
            raise LakeError(f"{self._file.name}:1: {_CR_FAULT}.")
        return record.content.decode("utf-8", errors="replace")

    def chunks(self) -> Iterator[TextChunk]:
        """Yield the records after the header. Raises LakeError for a row that is too long."""
        chunk = None
        while True:
            found = self._next_chunk()
            if found is not None:
                chunk, lines, end = found
                self._line += lines
                self._pending = self._pending[end:]
                yield chunk
            elif len(self._pending) > MAX_ROW_BYTES + 2:  # with the line end
                raise self._too_long(self._line)
            if self._is_last:
                return
            self._read(next_block(chunk))

    def _too_long(self, line: int) -> LakeError:
        return row_too_long(f"{self._file.name}:{line}", cause=" A quote that is not closed may have joined rows.")

    def _read(self, size: int = CHUNK_BYTES) -> None:
        block = self._file.read(size)
        self._pending += block
        self._is_last = not block

    def _next_chunk(self) -> tuple[TextChunk, int, int] | None:
        """Return the whole records of the pending bytes, their lines and bytes, or None if there is no whole record."""
        found = _uniform(self._pending, is_last=self._is_last)
        if found is None or found.end > MAX_ROW_BYTES:
            return self._careful_chunk()
        if found.end == 0:
            return None
        content, line = found.content, self._line
        chunk = TextChunk(content=content, rows=found.rows, split=lambda: _split(content, line))
        return chunk, found.lines, found.end

    def _careful_chunk(self) -> tuple[TextChunk, int, int] | None:
        kept: list[Record] = []
        broken: list[BrokenRecord] = []
        end = 0
        for record, end in _records(self._pending, self._line, is_last=self._is_last):  # noqa: B007 - the last end
            if len(record.content) > MAX_ROW_BYTES:
                raise self._too_long(record.line)
            if not record.content and not self.one_column:
                continue
            fault = _fault(record.content)
            if fault:
                text = record.content.decode("utf-8", errors="replace")
                broken.append(BrokenRecord(position=len(kept), line=record.line, text=text, reason=fault))
            else:
                kept.append(record)
        if end == 0:
            return None
        return replace(join_records(kept), broken=broken), self._pending.count(b"\n", 0, end), end


def _split(content: bytes, line: int) -> Sequence[Record]:
    return [record for record, _ in _records(content, line, is_last=True)]


@dataclass(frozen=True, slots=True)
class _Uniform:
    """Whole records, with LF as line ends: their number, that of their lines, and the position after the last one."""

    content: bytes
    rows: int
    lines: int
    end: int


def _uniform(data: bytes, *, is_last: bool) -> _Uniform | None:
    """Count the records if every quote is at an end of its field, no line is blank, and CR only occurs before LF."""
    pieces = data.split(b'"', _MANY_QUOTES)
    if len(pieces) > _MANY_QUOTES:
        return None
    is_open = len(pieces) % 2 == 0
    outside = pieces[::2]
    if len(pieces) > 1:
        if not set(map(_LAST, outside if is_open else outside[:-1])) <= _BEFORE_OPENING:
            return None
        if not set(map(_FIRST, outside[1:])) <= _AFTER_CLOSING:
            return None
    if is_last:
        end, rest = len(data), is_open or data[-1:] not in {b"", b"\n"}
    else:
        end, rest = _whole(pieces, len(data)), False
    content = data[:end]
    if b"\r" in content:
        pieces[::2] = [piece.replace(b"\r\n", b"\n") for piece in pieces[::2]]
        content = b'"'.join(pieces)
    if b"\n\n" in content or b"\r" in content or content.startswith(b"\n"):
        text = b'"'.join(pieces[::2])
        if b"\n\n" in text or b"\r" in text or text.startswith(b"\n"):
            return None
    lines = data.count(b"\n", 0, end)
    return _Uniform(content, lines - b"".join(pieces[1::2]).count(b"\n") + rest, lines, end)


def _whole(pieces: list[bytes], length: int) -> int:
    """Return the position after the last line end outside quotes, and cut off the pieces after it."""
    for index in range(len(pieces) - 1, -1, -1):
        length -= len(pieces[index])
        if index % 2 == 0:
            end = pieces[index].rfind(b"\n") + 1
            if end:
                pieces[index:] = [pieces[index][:end]]
                return length + end
        length -= 1
    pieces.clear()
    return 0


def _records(data: bytes, line: int, *, is_last: bool) -> Iterator[tuple[Record, int]]:
    """Yield each whole record and the position after it; ``line`` is the line of the first byte."""
    start, position, quoted, first = 0, 0, False, line
    while position < len(data):
        newline = data.find(b"\n", position)
        if newline < 0 and not is_last:
            return
        stop = len(data) if newline < 0 else newline + 1
        quoted = _ends_quoted(data[position:stop], quoted)
        position, line = stop, line + 1
        if not quoted:
            yield Record(line=first, content=_without_line_end(data[start:stop])), stop
            start, first = stop, line
    if quoted and is_last:
        yield Record(line=first, content=data[start:]), len(data)


def _without_line_end(record: bytes) -> bytes:
    return record[:-2] if record.endswith(b"\r\n") else record.removesuffix(b"\n")


def _ends_quoted(line: bytes, quoted: bool) -> bool:
    """Return whether a quoted field is open after this line."""
    is_open = quoted
    for _, is_open in _quotes(line, quoted):  # noqa: B007 - the last state
        pass
    return is_open


def _quotes(text: bytes, quoted: bool) -> Iterator[tuple[int, bool]]:
    """Yield the position of each quote and whether a quoted field is open after it.

    A quote opens a field only at its start; a doubled quote does not close the field.
    """
    after = closed = 0  # the position after the quote before, and after the closing quote before
    for found in _QUOTE.finditer(text):
        if quoted:
            quoted, closed = False, found.end()
        elif closed == found.start() > 0:
            quoted = True
        else:
            before = text[after : found.start()].rstrip(b" ")
            quoted = before.endswith(b",") or not (after or before)
        after = found.end()
        yield found.start(), quoted


def _has_misplaced_quote(record: bytes) -> bool:
    """Return whether a quoted field is not closed, or more than blanks follows its closing quote.

    After such a record, DuckDB 2.0 may refuse good ones (or the file).
    """
    quoted = False
    for position, is_open in _quotes(record, quoted=False):
        if quoted and not is_open and not _FIELD_END.match(record, position + 1):
            return True
        quoted = is_open
    return quoted


def _fault(record: bytes) -> str | None:
    """Return why a record cannot be read, whatever its columns."""
    if b"\r" not in record and _ORDINARY.fullmatch(record):
        return None
    if _has_bare_cr(record):
        return _CR_FAULT
    return QUOTE_FAULT if _has_misplaced_quote(record) else None


def _has_bare_cr(record: bytes) -> bool:
    """Return whether a carriage return that is not part of CRLF is outside quotes."""
    if b"\r" not in record:
        return False
    start, quoted = 0, False
    for position, is_open in _quotes(record, quoted=False):
        if not quoted and _BARE_CR.search(record, start, position):
            return True
        start, quoted = position + 1, is_open
    return not quoted and _BARE_CR.search(record, start) is not None
