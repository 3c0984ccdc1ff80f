"""Writers that encode one row at a time from raw cells, so that a row may be as wide as the lake holds.

They write the same bytes as the writers that encode whole vectors of rows, but take longer: about twice as long if the
engine encodes the rows that are not wide, else twenty times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from offtake.formats.format import RawCell, RawRow, RowSource, Writer
from offtake.model.format_options import CsvOptions
from offtake.model.layout import Framing
from offtake.model.query import Query

_BUFFER = 256 * 1024  # bytes between writes to the file
_PIECE = 1024 * 1024  # bytes of a text that are encoded at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRecipe:
    """How to build the file from rows."""

    csv: CsvOptions | None  # of the lines; None: a line is a JSON object, and values that are not text are JSON
    copies: int  # memory that the engine needs to encode a vector of lines, as a multiple of their bytes
    opening: bytes  # bytes before the first row
    row: Callable[[Sequence[RawCell]], Iterator[bytes]]  # the bytes of a row, in pieces
    separator: bytes  # bytes between rows
    closing: Callable[[int], bytes]  # bytes after the last row, from the number of rows


def by_rows(recipe: Callable[[Framing, Sequence[str], Sequence[str]], RowRecipe]) -> tuple[Writer, ...]:
    """Return the writers for wide rows.

    The first one leaves only those to Python, the second one all rows. The third one is for rows that share long texts.
    ``recipe`` gets the framing, and the headers and DuckDB types of the columns.
    """

    def write_lines(rows: RowSource, query: Query, path: Path, *, framing: Framing, in_groups: bool = False) -> int:
        made = recipe(framing, query.columns, rows.types(query))
        lines = partial(rows.lines, query, csv=made.csv, copies=made.copies, in_groups=in_groups)
        return _write(made, (lines(partition=partition) for partition in range(rows.partitions)), path)

    def write_raw(rows: RowSource, query: Query, path: Path, *, framing: Framing) -> int:
        made = recipe(framing, query.columns, rows.types(query))
        raw_rows = partial(rows.raw_rows, query, as_json=made.csv is None)
        return _write(made, (raw_rows(partition=partition) for partition in range(rows.partitions)), path)

    return write_lines, write_raw, partial(write_lines, in_groups=True)


def _write(recipe: RowRecipe, partitions: Iterable[Iterator[RawRow]], path: Path) -> int:
    written = 0
    with path.open("wb", buffering=_BUFFER) as file:
        file.write(recipe.opening)
        for line, *cells in chain.from_iterable(partitions):
            if written:
                file.write(recipe.separator)
            if line is None:
                file.writelines(recipe.row(cells))
            else:
                file.write(line)
            written += 1
        file.write(recipe.closing(written))
    return written


def pieces(text: bytes) -> Iterator[bytes]:
    """Yield the text in pieces whose encoding takes little memory."""
    if len(text) <= _PIECE:
        yield text
        return
    for start in range(0, len(text), _PIECE):
        yield text[start : start + _PIECE]
