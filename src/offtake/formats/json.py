"""JSON: one array inside a dialect's framing; and JSON Lines: one object per line, without framing.

DuckDB's CSV writer writes the array, as one unquoted column ``to_json(row)`` with the options PREFIX, SUFFIX and
NEW_LINE, so the framing needs no second pass over the file. These options are undocumented; a test fails if a new
DuckDB drops them.
"""

from __future__ import annotations

from collections.abc import Sequence

from offtake.formats.copy_writer import PartitionedRecipe, Recipe, by_copy
from offtake.formats.format import Format
from offtake.formats.json_object import JsonObject
from offtake.formats.row_writer import RowRecipe, by_rows
from offtake.model.format_options import Compression
from offtake.model.layout import Framing
from offtake.model.typed_values import ValueForm
from offtake.sql_text import quote_literal

# JSON text never contains this delimiter, because JSON escapes control characters.
_DELIMITER = "\x01"
_SEPARATOR = ",\n"
_TO_JSON_COPIES = 12  # memory of ``to_json``, as a multiple of the text of a vector (DuckDB 2.0)
_MAX_LAST_LINE = 1024  # bytes; longer than the end of any framing with its row count


class ArrayCounter:
    """Counts rows by line ends.

    The writer puts the framing's head, each row and the framing's tail on lines of their own, and JSON text contains no
    raw line end. A complete file ends with a line that starts with ``]``.
    """

    def __init__(self) -> None:
        self._lines = 0
        self._start: bytes | None = b""  # bytes so far, until the first byte after line 1 is known
        self._is_empty = False
        self._end = b""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._lines += chunk.count(b"\n")
        if self._start is not None:
            self._start += chunk
            _, _, rows = self._start.partition(b"\n")
            if rows:
                self._is_empty, self._start = rows[:1] == b"\n", None
        self._end = (self._end + chunk[-_MAX_LAST_LINE:])[-_MAX_LAST_LINE:]

    def seen(self) -> int:
        """Return a lower bound of the number of rows so far."""
        return max(0, self._lines - 2)

    def records(self) -> int:
        """Return the number of rows of the array."""
        last = self._end[:-1].rpartition(b"\n")[2]
        if self._end[-1:] != b"\n" or last[:1] != b"]":
            raise ValueError("the file does not end with the last line of the framing")
        return 0 if self._is_empty else self._lines - 2  # without the lines of head and tail


class LineCounter:
    """Counts line ends."""

    def __init__(self) -> None:
        self._lines = 0
        self._last = b"\n"

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._lines += chunk.count(b"\n")
        self._last = chunk[-1:] or self._last

    def seen(self) -> int:
        """Return the number of rows so far."""
        return self._lines

    def records(self) -> int:
        """Return the number of lines of the file."""
        if self._last != b"\n":
            raise ValueError("the last line is incomplete")
        return self._lines


def _array(framing: Framing) -> Recipe:
    row_options = (
        f"FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '{_DELIMITER}', NEW_LINE {quote_literal(_SEPARATOR)}"
    )
    head, tail = f"{framing.head}\n", f"\n{framing.tail}"

    return Recipe(
        options=f"{row_options}, PREFIX {quote_literal(head)}, SUFFIX {quote_literal(tail)}",
        as_json=True,
        copies=_TO_JSON_COPIES,
        closing=lambda rows: _end(framing, rows),
        partitioned=PartitionedRecipe(
            first=row_options,
            other=row_options,
            opening=head.encode(),
            separator=_SEPARATOR.encode(),
            closing=lambda rows: tail.encode() + _end(framing, rows),
        ),
    )


def _end(framing: Framing, rows: int) -> bytes:
    """Return the bytes behind the framing's tail."""
    return f"{rows if framing.counted else ''}{framing.end}\n".encode()


def _lines(_: Framing) -> Recipe:
    def nothing(_: int) -> bytes:
        return b""

    options = "FORMAT json"
    partitioned = PartitionedRecipe(first=options, other=options, closing=nothing)
    return Recipe(options=options, as_json=False, copies=_TO_JSON_COPIES, closing=nothing, partitioned=partitioned)


def _objects(headers: Sequence[str], types: Sequence[str]) -> JsonObject:
    return JsonObject(headers, [sql_type == "VARCHAR" for sql_type in types])


def _array_by_rows(framing: Framing, headers: Sequence[str], types: Sequence[str]) -> RowRecipe:
    return RowRecipe(
        csv=None,
        copies=_TO_JSON_COPIES,
        opening=f"{framing.head}\n".encode(),
        row=_objects(headers, types),
        separator=_SEPARATOR.encode(),
        closing=lambda rows: f"\n{framing.tail}".encode() + _end(framing, rows),
    )


def _lines_by_rows(_: Framing, headers: Sequence[str], types: Sequence[str]) -> RowRecipe:
    return RowRecipe(
        csv=None,
        copies=_TO_JSON_COPIES,
        opening=b"",
        row=_objects(headers, types),
        separator=b"\n",
        closing=lambda rows: b"\n" if rows else b"",
    )


JSON: Format = Format(
    name="json",
    suffix="json",
    media_type="application/json",
    is_text=True,
    empty_text_is_null=False,
    in_order=False,
    values=ValueForm.JSON,
    compressions=tuple(Compression),
    write=by_copy(_array),
    write_wide=by_rows(_array_by_rows),
    counter=lambda *_: ArrayCounter(),
)
JSON_LINES: Format = Format(
    name="json_lines",
    suffix="ndjson",
    media_type="application/x-ndjson",
    is_text=True,
    empty_text_is_null=False,
    in_order=False,
    values=ValueForm.JSON,
    compressions=tuple(Compression),
    write=by_copy(_lines),
    write_wide=by_rows(_lines_by_rows),
    counter=lambda *_: LineCounter(),
)
