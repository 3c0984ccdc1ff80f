"""JSON as one array in a dialect's envelope, and JSON lines (one object a line, no envelope).

The array is written by DuckDB's CSV writer with a single column of ``to_json(row)``, no quoting, and its options
PREFIX, SUFFIX and NEW_LINE: they are not documented, and a test fails if a new DuckDB drops them. It costs what the
plain array costs, while the envelope needs no second pass over the file.
"""

from __future__ import annotations

from offtake.formats.copy_writer import Joint, Recipe, by_copy
from offtake.formats.format import Format
from offtake.model.layout import Framing

# A delimiter that JSON text cannot contain: control characters are escaped in it.
_NEVER = "\x01"
_BETWEEN = ",\n"
_LAST_LINE = 1024  # bytes; longer than any envelope's tail with its number


class ArrayCounter:
    """Counts rows by line ends: the writer puts the envelope's head, each row and the envelope's tail on a line of
    their own, and text cannot hold a raw line end. The end is known by a last line that begins with ``]``."""

    def __init__(self) -> None:
        self._lines = 0
        self._start: bytes | None = b""  # until the byte behind the first line is known
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
        self._end = (self._end + chunk[-_LAST_LINE:])[-_LAST_LINE:]

    def seen(self) -> int:
        """Rows so far, at least."""
        return max(0, self._lines - 2)

    def records(self) -> int:
        """Rows of the array."""
        last = self._end[:-1].rpartition(b"\n")[2]
        if self._end[-1:] != b"\n" or last[:1] != b"]":
            raise ValueError("the file does not end with the envelope's last line")
        return 0 if self._is_empty else self._lines - 2  # the lines of head and tail


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
        """Rows so far."""
        return self._lines

    def records(self) -> int:
        """Lines of the file."""
        if self._last != b"\n":
            raise ValueError("the file does not end with a whole line")
        return self._lines


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _array(framing: Framing) -> Recipe:
    rows_alone = f"FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '{_NEVER}', NEW_LINE {_literal(_BETWEEN)}"
    head, tail = f"{framing.head}\n", f"\n{framing.tail}"

    def end(rows: int) -> str:
        return f"{rows if framing.counted else ''}{framing.end}\n"

    return Recipe(
        options=f"{rows_alone}, PREFIX {_literal(head)}, SUFFIX {_literal(tail)}",
        as_json=True,
        closing=lambda rows: end(rows).encode(),
        joint=Joint(
            first=rows_alone,
            other=rows_alone,
            opening=head.encode(),
            between=_BETWEEN.encode(),
            closing=lambda rows: f"{tail}{end(rows)}".encode(),
        ),
    )


def _lines(_: Framing) -> Recipe:
    def nothing(_: int) -> bytes:
        return b""

    options = "FORMAT json"
    joint = Joint(first=options, other=options, closing=nothing)
    return Recipe(options=options, as_json=False, closing=nothing, joint=joint)


JSON: Format = Format(
    name="json",
    suffix="json",
    media_type="application/json",
    empty_text_is_null=False,
    in_order=False,
    write=by_copy(_array),
    counter=ArrayCounter,
)
JSON_LINES: Format = Format(
    name="json_lines",
    suffix="ndjson",
    media_type="application/x-ndjson",
    empty_text_is_null=False,
    in_order=False,
    write=by_copy(_lines),
    counter=LineCounter,
)
