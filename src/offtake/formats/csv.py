"""CSV in UTF-8 with the options of the framing; quotes only where needed.

Whether null and empty text differ is up to the dialect's renderings: both are an empty field in Talkdesk contract 5.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from offtake.formats.copy_writer import PartitionedRecipe, Recipe, by_copy
from offtake.formats.format import Format, RawCell
from offtake.formats.row_writer import RowRecipe, by_rows, pieces
from offtake.model.format_options import Compression, CsvOptions
from offtake.model.layout import Framing
from offtake.model.typed_values import ValueForm
from offtake.sql_text import quote_literal

_BOM = "\ufeff".encode()


class CsvCounter:
    """Counts line ends outside quoted fields; a doubled quote toggles twice, so counting quotes is enough.

    For speed, all other bytes are deleted first, then adjacent pairs of quotes.
    """

    def __init__(self, options: CsvOptions) -> None:
        self._quote = options.quote.encode()
        self._header = 1 if options.header else 0
        self._other_bytes = bytes(set(range(256)) - set(self._quote + b"\n"))
        self._lines = 0
        self._quoted = False
        # A file without header and rows is empty, apart from a byte order mark.
        self._start, self._last = b"", b""
        self._is_empty_valid = (b"", _BOM) if not options.header else ()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if not chunk:
            return
        self._last = chunk[-1:]
        if len(self._start) <= len(_BOM):
            self._start += chunk[: len(_BOM) + 1]
        marks = chunk.translate(None, self._other_bytes).replace(self._quote * 2, b"")
        first, *others = marks.split(self._quote)
        if not self._quoted:
            self._lines += first.count(b"\n")
        if not others:
            return
        outside = others[0::2] if self._quoted else others[1::2]
        self._lines += b"".join(outside).count(b"\n")
        self._quoted ^= len(others) % 2 == 1

    def seen(self) -> int:
        """Return the number of rows so far."""
        return max(0, self._lines - self._header)

    def records(self) -> int:
        """Return the number of lines without the header."""
        if self._start in self._is_empty_valid:
            return 0
        if self._quoted or self._last != b"\n":
            raise ValueError("the last CSV record is incomplete")
        return self._lines - self._header


_COPIES = 4  # memory of COPY, as a multiple of the text of a vector, part of it beyond DuckDB's limit (DuckDB 2.0)


def _recipe(framing: Framing) -> Recipe:
    csv = framing.csv
    quote = quote_literal(csv.quote)
    # Without COMMENT '', DuckDB quotes every text that contains #.
    options = (
        f"FORMAT csv, DELIMITER {quote_literal(csv.delimiter)}, QUOTE {quote}, ESCAPE {quote}, COMMENT '', "
        f"NULLSTR {quote_literal(csv.null)}, NEW_LINE {quote_literal(csv.line_end)}, HEADER"
    )
    first, other = f"{options} {str(csv.header).lower()}", f"{options} false"
    opening = _BOM if csv.bom else b""
    partitioned = PartitionedRecipe(first=first, other=other, closing=_nothing, opening=opening)
    return Recipe(
        options=first,
        as_json=False,
        copies=_COPIES,
        closing=_nothing,
        partitioned=partitioned,
        opens_itself=not opening,
    )


def _by_rows(framing: Framing, headers: Sequence[str], _: Sequence[str]) -> RowRecipe:
    csv, line_end = framing.csv, framing.csv.line_end.encode()
    line = _Line(csv)
    header = b"".join(line([header.encode() for header in headers])) + line_end if csv.header else b""
    return RowRecipe(
        csv=csv,
        copies=_COPIES,
        opening=(_BOM if csv.bom else b"") + header,
        row=line,
        separator=line_end,
        closing=lambda rows: line_end if rows else b"",
    )


class _Line:
    """Yields the fields of a record, with quotes where COPY writes them."""

    def __init__(self, options: CsvOptions) -> None:
        self._delimiter, self._quote = options.delimiter.encode(), options.quote.encode()
        self._null = options.null.encode()
        self._quoted_bytes = (self._delimiter, self._quote, b"\n", b"\r")  # a field with one of them is quoted

    def __call__(self, cells: Sequence[RawCell]) -> Iterator[bytes]:
        """Yield the record in pieces."""
        for number, cell in enumerate(cells):
            if number:
                yield self._delimiter
            if not isinstance(cell, bytes):  # null; a list arrives as text
                yield self._null
                continue
            if cell != self._null and not any(mark in cell for mark in self._quoted_bytes):
                yield cell
                continue
            yield self._quote
            for piece in pieces(cell):
                yield piece.replace(self._quote, self._quote * 2)
            yield self._quote


def _nothing(_: int) -> bytes:
    return b""


def _counter(framing: Framing, _: Path) -> CsvCounter:
    return CsvCounter(framing.csv)


CSV: Format = Format(
    name="csv",
    suffix="csv",
    media_type="text/csv; charset=utf-8",
    is_text=True,
    empty_text_is_null=True,
    in_order=False,
    values=ValueForm.CSV,
    compressions=tuple(Compression),
    write=by_copy(_recipe),
    write_wide=by_rows(_by_rows),
    counter=_counter,
)
