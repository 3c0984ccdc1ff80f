"""CSV (RFC 4180): a header line, commas, quotes only where needed, UTF-8 without a byte order mark.

The dialect chooses the line ending. Null and empty text are both an empty field (Talkdesk contract 5.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from offtake.formats.copy_writer import PartitionedRecipe, Recipe, by_copy
from offtake.formats.format import Format, RawCell
from offtake.formats.row_writer import RowRecipe, by_rows, pieces
from offtake.model.layout import Framing

_QUOTED_BYTES = (b",", b'"', b"\n", b"\r")  # a field that contains one of them is quoted
_OTHER_BYTES = bytes(set(range(256)) - set(b'"\n'))


class CsvCounter:
    """Counts line ends outside quoted fields; a doubled quote toggles twice, so counting quotes is enough.

    For speed, all other bytes are deleted first, then adjacent pairs of quotes.
    """

    def __init__(self) -> None:
        self._lines = 0
        self._quoted = False
        self._last = b""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if not chunk:
            return
        self._last = chunk[-1:]
        marks = chunk.translate(None, _OTHER_BYTES).replace(b'""', b"")
        first, *others = marks.split(b'"')
        if not self._quoted:
            self._lines += first.count(b"\n")
        if not others:
            return
        outside = others[0::2] if self._quoted else others[1::2]
        self._lines += b"".join(outside).count(b"\n")
        self._quoted ^= len(others) % 2 == 1

    def seen(self) -> int:
        """Return the number of rows so far."""
        return max(0, self._lines - 1)

    def records(self) -> int:
        """Return the number of lines without the header."""
        if self._quoted or self._last != b"\n":
            raise ValueError("the last CSV record is incomplete")
        return self._lines - 1


_COPIES = 4  # memory of COPY, as a multiple of the text of a vector, part of it beyond DuckDB's limit (DuckDB 2.0)
# Without COMMENT '', DuckDB quotes every text that contains #.
_OPTIONS = "FORMAT csv, DELIMITER ',', QUOTE '\"', COMMENT ''"


def _recipe(framing: Framing) -> Recipe:
    options = f"{_OPTIONS}, NEW_LINE '{framing.line_end}', HEADER"
    with_header, without_header = f"{options} true", f"{options} false"
    partitioned = PartitionedRecipe(first=with_header, other=without_header, closing=_nothing)
    return Recipe(options=with_header, as_json=False, copies=_COPIES, closing=_nothing, partitioned=partitioned)


def _by_rows(framing: Framing, headers: Sequence[str], _: Sequence[str]) -> RowRecipe:
    line_end = framing.line_end.encode()
    return RowRecipe(
        as_json=False,
        copies=_COPIES,
        opening=b"".join(_line([header.encode() for header in headers])) + line_end,
        row=_line,
        separator=line_end,
        closing=lambda rows: line_end if rows else b"",
    )


def _line(cells: Sequence[RawCell]) -> Iterator[bytes]:
    """Yield the fields of a record, with quotes where COPY writes them."""
    for number, cell in enumerate(cells):
        if number:
            yield b","
        if not isinstance(cell, bytes):  # null; a list arrives as text
            continue
        if cell and not any(mark in cell for mark in _QUOTED_BYTES):
            yield cell
            continue
        yield b'"'
        for piece in pieces(cell):
            yield piece.replace(b'"', b'""')
        yield b'"'


def _nothing(_: int) -> bytes:
    return b""


CSV: Format = Format(
    name="csv",
    suffix="csv",
    media_type="text/csv; charset=utf-8",
    is_text=True,
    empty_text_is_null=True,
    in_order=False,
    write=by_copy(_recipe),
    write_wide=by_rows(_by_rows),
    counter=CsvCounter,
)
