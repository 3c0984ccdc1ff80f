"""What a format is: a name, a media type, a way to write rows, and a way to count them again in the bytes.

Counting from the bytes is what makes a silent truncation impossible: the rows the writer says it wrote and the records
found in the finished file must be one number before anything is published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from offtake.model.query import Query


class RowSource(Protocol):
    """What a format needs of an engine's session."""

    def copy(self, query: Query, path: Path, *, options: str, as_json: bool) -> int:
        """Write the rows of ``query`` to ``path`` and return their number."""


class RecordCounter(Protocol):
    """Counts the records of a file from its bytes, chunk by chunk, knowing nothing of the query."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the file."""

    def seen(self) -> int:
        """Rows so far: never more than there are in the end."""

    def records(self) -> int:
        """Records seen, header and envelope not counted. ValueError when the bytes do not end as the format must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a dialect puts around an array of rows: ``head`` rows ``tail`` number-of-rows ``end``; and behind each line
    of a csv file: ``line_end``, which is a line feed or ends with one.

    ``tail`` begins with ``]``, which is how a whole file is told from a cut one. ``tail`` and ``end`` may be written
    without a number between them (``counted = False``).
    """

    head: str = "["
    tail: str = "]"
    end: str = ""
    counted: bool = False
    line_end: str = "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How DuckDB's own writer makes the file, and what is added behind its last byte."""

    options: str
    as_json: bool
    closing: Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file encoding."""

    name: str
    suffix: str
    media_type: str
    empty_text_is_null: bool  # the encoding has one way to write nothing
    recipe: Callable[[Envelope], Recipe]
    counter: Callable[[], RecordCounter]

    def write(self, rows: RowSource, query: Query, path: Path, *, envelope: Envelope) -> int:
        """Write all rows of ``query`` to ``path``; returns the number of rows the writer reports."""
        recipe = self.recipe(envelope)
        written = rows.copy(query, path, options=recipe.options, as_json=recipe.as_json)
        closing = recipe.closing(written)
        if closing:
            with path.open("ab") as file:
                file.write(closing)
        return written
