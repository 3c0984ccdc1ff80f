"""What a format is: a name, a media type, a way to write rows, and a way to count them again in the bytes.

Counting from the bytes is what makes a silent truncation impossible: the rows the writer says it wrote and the records
found in the finished file must be one number before anything is published.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from offtake.model.query import Query


class RowSource(Protocol):
    """What a format needs of an engine's session."""

    @property
    def parts(self) -> int:
        """Of how many parts, made one after the other, the rows of a query consist."""

    def copy(self, query: Query, path: Path, *, options: str, as_json: bool, part: int = 0) -> int:
        """Write the rows of one part of ``query`` to ``path`` and return their number."""


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
class Joint:
    """How the same file is made of parts. Each is written alone and then appended.

    The writer ends every row with ``between``; it is cut off behind a part and only put where rows follow rows.
    """

    first: str  # the writer's options for the first part
    other: str
    closing: Callable[[int], bytes]
    opening: bytes = b""
    between: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How DuckDB's own writer makes the file, and what is added behind its last byte."""

    options: str
    as_json: bool
    closing: Callable[[int], bytes]
    joint: Joint


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
        """Write all rows of ``query`` to ``path``; returns the number of rows the writer reports.

        The bytes of a file made of parts are those of a file made at once, but for the order of rows.
        """
        recipe = self.recipe(envelope)
        if rows.parts > 1:
            return _join(rows, query, path, recipe)
        written = rows.copy(query, path, options=recipe.options, as_json=recipe.as_json)
        closing = recipe.closing(written)
        if closing:
            with path.open("ab") as file:
                file.write(closing)
        return written


def part_file(path: Path) -> Path:
    """Where a part of the file ``path`` is written before it is appended."""
    return path.with_name(f"{path.name}.part")


def _join(rows: RowSource, query: Query, path: Path, recipe: Recipe) -> int:
    """Only whole parts are appended, so whoever follows the file sees rows that stay."""
    joint, part_path, written = recipe.joint, part_file(path), 0
    with path.open("wb", buffering=0) as file:
        file.write(joint.opening)
        for part in range(rows.parts):
            options = joint.other if part else joint.first
            found = rows.copy(query, part_path, options=options, as_json=recipe.as_json, part=part)
            if written and found:
                file.write(joint.between)
            _append(part_path, file.fileno(), without=len(joint.between) if found else 0)
            written += found
        file.write(joint.closing(written))
    return written


def _append(path: Path, target: int, *, without: int) -> None:
    """Append a file, but for its last bytes, inside the kernel."""
    with path.open("rb") as source:
        left = path.stat().st_size - without
        while left > 0:
            copied = os.copy_file_range(source.fileno(), target, left)
            if copied == 0:
                raise OSError(errno.EIO, "a part ended early")
            left -= copied
    path.unlink()
