"""Find the records of CSV text, and records that no reader could read, whatever their columns.

A quote opens a field only at its start, and a doubled quote does not close it. Line ends are LF or CRLF, also mixed;
between quotes they belong to the value. A carriage return (CR) alone outside quotes is neither, and breaks its record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from offtake.lake.ingest.chunks import Record

QUOTE_FAULT = "a quoted field is not closed, or text follows its closing quote; double quotes inside a field"
CR_FAULT = (
    "a carriage return (CR) is outside quotes; enclose the field in double quotes, or end every line with LF or CRLF"
)
_BARE_CR = re.compile(rb"\r(?!\n)")
_NEVER = re.compile(rb"(?!)")


_BLANK_LINES = re.compile(rb"(?:\r?\n)++")


class CsvDialect:
    """The delimiter and the quote of a file, one ASCII character each; without a quote, every line is a record."""

    def __init__(self, delimiter: bytes, quote: bytes) -> None:
        self.delimiter = delimiter
        self.quote = quote
        # What may stand before and after a quoted field; nothing stands between two quotes.
        self.before_opening, self.after_closing = {b"", delimiter, b"\n"}, {b"", delimiter, b"\r", b"\n"}
        self._quote = re.compile(re.escape(quote)) if quote else _NEVER
        # After a closing quote; another one is a doubled quote.
        self._field_end = re.compile(re.escape(quote) + rb"| *(" + re.escape(delimiter) + rb"|\Z)")
        self._ordinary = re.compile(_ordinary(re.escape(delimiter), re.escape(quote)), re.DOTALL)

    def records(
        self, data: bytes, line: int, *, is_last: bool, joins_blanks: bool = False
    ) -> Iterator[tuple[Record, int]]:
        """Yield each whole record and the position after it; ``line`` is the line of the first byte.

        With ``joins_blanks``, any number of blank lines, one after the other, is one blank record.
        """
        start, position, quoted, first = 0, 0, False, line
        while position < len(data):
            blanks = _BLANK_LINES.match(data, position) if joins_blanks and not quoted else None
            if blanks:
                line += blanks[0].count(b"\n")
                start, position, first = blanks.end(), blanks.end(), line
                yield Record(line=line - 1, content=b""), position
                continue
            newline = data.find(b"\n", position)
            if newline < 0 and not is_last:
                return
            stop = len(data) if newline < 0 else newline + 1
            quoted = self._ends_quoted(data[position:stop], quoted)
            position, line = stop, line + 1
            if not quoted:
                yield Record(line=first, content=_without_line_end(data[start:stop])), stop
                start, first = stop, line
        if quoted and is_last:
            yield Record(line=first, content=data[start:]), len(data)

    def _ends_quoted(self, line: bytes, quoted: bool) -> bool:
        """Return whether a quoted field is open after this line."""
        is_open = quoted
        for _, is_open in self._quotes(line, quoted):  # noqa: B007 - the last state
            pass
        return is_open

    def _quotes(self, text: bytes, quoted: bool) -> Iterator[tuple[int, bool]]:
        """Yield the position of each quote and whether a quoted field is open after it.

        A quote opens a field only at its start; a doubled quote does not close the field.
        """
        after = closed = 0  # the position after the quote before, and after the closing quote before
        for found in self._quote.finditer(text):
            if quoted:
                quoted, closed = False, found.end()
            elif closed == found.start() > 0:
                quoted = True
            else:
                before = text[after : found.start()].rstrip(b" ")
                quoted = before.endswith(self.delimiter) or not (after or before)
            after = found.end()
            yield found.start(), quoted

    def _has_misplaced_quote(self, record: bytes) -> bool:
        """Return whether a quoted field is not closed, or more than blanks follows its closing quote.

        After such a record, DuckDB 2.0 may refuse good ones (or the file).
        """
        quoted = False
        for position, is_open in self._quotes(record, quoted=False):
            if quoted and not is_open and not self._field_end.match(record, position + 1):
                return True
            quoted = is_open
        return quoted

    def fault(self, record: bytes) -> str | None:
        """Return why a record cannot be read, whatever its columns."""
        if b"\r" not in record and self._ordinary.fullmatch(record):
            return None
        if self.has_bare_cr(record):
            return CR_FAULT
        return QUOTE_FAULT if self._has_misplaced_quote(record) else None

    def has_bare_cr(self, record: bytes) -> bool:
        """Return whether a carriage return that is not part of CRLF is outside quotes."""
        if b"\r" not in record:
            return False
        start, quoted = 0, False
        for position, is_open in self._quotes(record, quoted=False):
            if not quoted and _BARE_CR.search(record, start, position):
                return True
            start, quoted = position + 1, is_open
        return not quoted and _BARE_CR.search(record, start) is not None


def _ordinary(delimiter: bytes, quote: bytes) -> bytes:
    """Return a pattern of records whose quotes are all in their places."""
    if not quote:
        return rb".*"
    quoted = quote + rb"(?:[^" + quote + rb"]++|" + quote * 2 + rb")*+" + quote
    field = rb"(?:" + quoted + rb"|[^" + quote + delimiter + rb"]*+)"
    return field + rb"(?:" + delimiter + field + rb")*+"


COMMAS = CsvDialect(b",", b'"')


def _without_line_end(record: bytes) -> bytes:
    return record[:-2] if record.endswith(b"\r\n") else record.removesuffix(b"\n")
