"""JSON as one array in a dialect's envelope, and JSON lines (one object a line, no envelope).

The array is written by DuckDB's CSV writer with a single column of ``to_json(row)``, no quoting, and its options
PREFIX, SUFFIX and NEW_LINE: they are not documented, and a test fails if a new DuckDB drops them. It costs what the
plain array costs, while the envelope needs no second pass over the file.
"""

from __future__ import annotations

from offtake.formats.format import Envelope, Format, Recipe

# A delimiter that JSON text cannot contain: control characters are escaped in it.
_NEVER = "\x01"


class ArrayCounter:
    """Counts rows as lines that begin with ``{``, and knows the end by a line that begins with ``]``: the writer starts
    each row and the envelope's tail on a line of their own, and text cannot hold a raw line end."""

    def __init__(self) -> None:
        self._rows = 0
        self._closed = False
        self._last = b""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        starts = chunk[:1] if self._last == b"\n" else b""
        self._rows += chunk.count(b"\n{") + (starts == b"{")
        self._closed |= b"\n]" in chunk or starts == b"]"
        self._last = chunk[-1:] or self._last

    def records(self) -> int:
        """Rows of the array."""
        if not self._closed or self._last != b"\n":
            raise ValueError("the file does not end with the envelope's last line")
        return self._rows


class LineCounter:
    """Counts line ends."""

    def __init__(self) -> None:
        self._lines = 0
        self._last = b"\n"

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._lines += chunk.count(b"\n")
        self._last = chunk[-1:] or self._last

    def records(self) -> int:
        """Lines of the file."""
        if self._last != b"\n":
            raise ValueError("the file does not end with a whole line")
        return self._lines


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _array(envelope: Envelope) -> Recipe:
    options = (
        f"FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '{_NEVER}', NEW_LINE ',\n',"
        f" PREFIX {_literal(envelope.head + chr(10))}, SUFFIX {_literal(chr(10) + envelope.tail)}"
    )
    count = str if envelope.counted else lambda _: ""
    return Recipe(
        options=options,
        as_json=True,
        closing=lambda rows: f"{count(rows)}{envelope.end}\n".encode(),
    )


def _lines(_: Envelope) -> Recipe:
    return Recipe(options="FORMAT json", as_json=False, closing=lambda _: b"")


JSON: Format = Format(
    name="json",
    suffix="json",
    media_type="application/json",
    empty_text_is_null=False,
    recipe=_array,
    counter=ArrayCounter,
)
JSON_LINES: Format = Format(
    name="json_lines",
    suffix="ndjson",
    media_type="application/x-ndjson",
    empty_text_is_null=False,
    recipe=_lines,
    counter=LineCounter,
)
