"""Split a CSV file into its header and chunks of whole records.

A quote opens a field only at its start, and a doubled quote does not close it. Line ends are LF or CRLF, also mixed;
between quotes they belong to the value. A carriage return (CR) alone outside quotes is neither, and breaks its record.

The engine gets LF at the end of every record, and an option that says so: otherwise it takes the first line end of a
chunk for that of all records, even between quotes. Most chunks are counted by the positions of their quotes alone, in a
few passes of bytes methods. A chunk whose quotes, line ends or blank lines need care is split record by record.
"""

from __future__ import annotations

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
from offtake.lake.ingest.csv_records import COMMAS, CR_FAULT, CsvDialect
from offtake.lake.ingest.inputs.encodings import BYTE_ORDER_MARK
from offtake.lake.ingest.inputs.input_file import InputFile

MAX_HEADER_BYTES = 1024 * 1024
_FIRST, _LAST = itemgetter(slice(0, 1)), itemgetter(slice(-1, None))
_MANY_QUOTES = 1024 * 1024  # more are not split into a list, which takes 40 bytes per quote


class CsvSplitter:
    """Reads one file. ``one_column`` must be set before the chunks are read: only there a blank line is a record."""

    def __init__(self, file: InputFile, dialect: CsvDialect = COMMAS) -> None:
        self._file = file
        self._dialect = dialect
        self._pending = b""  # read, but not yet returned
        self._line = 1  # of the first byte of ``_pending``
        self._is_last = False
        self.one_column = False

    def header(self) -> str:
        """Read the first record and return its text, empty if there is none. Raises LakeError."""
        self._read()
        self._pending = self._pending.removeprefix(BYTE_ORDER_MARK)
        while True:
            first = next(self._dialect.records(self._pending[: MAX_HEADER_BYTES + 1], 1, is_last=self._is_last), None)
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
        if self._dialect.has_bare_cr(record.content):
            raise LakeError(f"{self._file.name}:1: {CR_FAULT}.")
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
        found = _uniform(self._pending, self._dialect, is_last=self._is_last)
        if found is None or found.end > MAX_ROW_BYTES:
            return self._careful_chunk()
        if found.end == 0:
            return None
        content, line, dialect = found.content, self._line, self._dialect
        chunk = TextChunk(content=content, rows=found.rows, split=lambda: _split(dialect, content, line))
        return chunk, found.lines, found.end

    def _careful_chunk(self) -> tuple[TextChunk, int, int] | None:
        kept: list[Record] = []
        broken: list[BrokenRecord] = []
        end = 0
        records = self._dialect.records(
            self._pending, self._line, is_last=self._is_last, joins_blanks=not self.one_column
        )
        for record, end in records:  # noqa: B007 - the last end
            if len(record.content) > MAX_ROW_BYTES:
                raise self._too_long(record.line)
            if not record.content and not self.one_column:
                continue
            fault = self._dialect.fault(record.content)
            if fault:
                text = record.content.decode("utf-8", errors="replace")
                broken.append(BrokenRecord(position=len(kept), line=record.line, text=text, reason=fault))
            else:
                kept.append(record)
        if end == 0:
            return None
        return replace(join_records(kept), broken=broken), self._pending.count(b"\n", 0, end), end


def _split(dialect: CsvDialect, content: bytes, line: int) -> Sequence[Record]:
    return [record for record, _ in dialect.records(content, line, is_last=True)]


@dataclass(frozen=True, slots=True)
class _Uniform:
    """Whole records, with LF as line ends: their number, that of their lines, and the position after the last one."""

    content: bytes
    rows: int
    lines: int
    end: int


def _uniform(data: bytes, dialect: CsvDialect, *, is_last: bool) -> _Uniform | None:
    """Count the records if every quote is at an end of its field, no line is blank, and CR only occurs before LF."""
    quote = dialect.quote
    pieces = data.split(quote, _MANY_QUOTES) if quote else [data]
    if len(pieces) > _MANY_QUOTES:
        return None
    is_open = len(pieces) % 2 == 0
    outside = pieces[::2]
    if len(pieces) > 1:
        if not set(map(_LAST, outside if is_open else outside[:-1])) <= dialect.before_opening:
            return None
        if not set(map(_FIRST, outside[1:])) <= dialect.after_closing:
            return None
    if is_last:
        end, rest = len(data), is_open or data[-1:] not in {b"", b"\n"}
    else:
        end, rest = _whole(pieces, len(data)), False
    content = data[:end]
    if b"\r" in content:
        pieces[::2] = [piece.replace(b"\r\n", b"\n") for piece in pieces[::2]]
        content = quote.join(pieces)
    if b"\n\n" in content or b"\r" in content or content.startswith(b"\n"):
        text = quote.join(pieces[::2])
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
