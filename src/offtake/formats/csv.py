"""CSV (RFC 4180): a header line, commas, quotes only where needed, UTF-8 without a byte order mark.

The dialect chooses the line ending. Null and empty text are both an empty field (Talkdesk contract 5.2).
"""

from __future__ import annotations

from offtake.formats.copy_writer import PartitionedRecipe, Recipe, by_copy
from offtake.formats.format import Format
from offtake.model.layout import Framing

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


# Without COMMENT '', DuckDB quotes every text that contains #.
_OPTIONS = "FORMAT csv, DELIMITER ',', QUOTE '\"', COMMENT ''"


def _recipe(framing: Framing) -> Recipe:
    options = f"{_OPTIONS}, NEW_LINE '{framing.line_end}', HEADER"
    with_header, without_header = f"{options} true", f"{options} false"
    partitioned = PartitionedRecipe(first=with_header, other=without_header, closing=_nothing)
    return Recipe(options=with_header, as_json=False, closing=_nothing, partitioned=partitioned)


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
    counter=CsvCounter,
)
