"""CSV by RFC 4180: header line, comma, quotes only where needed and doubled inside, UTF-8 without a mark.
Lines end as the dialect has it.

Null and empty text are both an empty field (Talkdesk contract 5.2).
"""

from __future__ import annotations

from offtake.formats.copy_writer import Joint, Recipe, by_copy
from offtake.formats.format import Format
from offtake.model.layout import Framing

_NEITHER_QUOTE_NOR_LINE_END = bytes(set(range(256)) - set(b'"\n'))


class CsvCounter:
    """Counts line ends that stand outside quotes; a doubled quote changes nothing, so counting quotes is enough.

    First everything else is dropped, then quotes with nothing left between them: what remains is short.
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
        marks = chunk.translate(None, _NEITHER_QUOTE_NOR_LINE_END).replace(b'""', b"")
        first, *others = marks.split(b'"')
        if not self._quoted:
            self._lines += first.count(b"\n")
        if not others:
            return
        outside = others[0::2] if self._quoted else others[1::2]
        self._lines += b"".join(outside).count(b"\n")
        self._quoted ^= len(others) % 2 == 1

    def seen(self) -> int:
        """Rows so far."""
        return max(0, self._lines - 1)

    def records(self) -> int:
        """Lines without the header."""
        if self._quoted or self._last != b"\n":
            raise ValueError("the file does not end with a whole record")
        return self._lines - 1


# Without COMMENT '' DuckDB would quote every text with a # in it, for readers that skip comments.
_OPTIONS = "FORMAT csv, DELIMITER ',', QUOTE '\"', COMMENT ''"


def _recipe(framing: Framing) -> Recipe:
    options = f"{_OPTIONS}, NEW_LINE '{framing.line_end}', HEADER"
    whole, rest = f"{options} true", f"{options} false"
    joint = Joint(first=whole, other=rest, closing=_nothing)
    return Recipe(options=whole, as_json=False, closing=_nothing, joint=joint)


def _nothing(_: int) -> bytes:
    return b""


CSV: Format = Format(
    name="csv",
    suffix="csv",
    media_type="text/csv; charset=utf-8",
    empty_text_is_null=True,
    in_order=False,
    write=by_copy(_recipe),
    counter=CsvCounter,
)
