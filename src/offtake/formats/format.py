"""What a format is: a name, a media type, a way to write rows, and a way to count them again in the bytes.

Counting from the bytes is what makes a silent truncation impossible: the rows the writer says it wrote and the records
found in the finished file must be one number before anything is published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from offtake.model.layout import Framing
from offtake.model.query import Query


class RowSource(Protocol):
    """What a format needs of an engine's session."""

    @property
    def partitions(self) -> int:
        """Of how many parts, made one after the other, the rows of a query consist."""

    def copy(self, query: Query, path: Path, *, options: str, as_json: bool, partition: int = 0) -> int:
        """Write the rows of one part of ``query`` to ``path`` and return their number."""

    def types(self, query: Query) -> Sequence[str]:
        """The engine's names of the types of the query's columns, in order."""

    def encoded(self, query: Query, *, partition: int = 0) -> Iterator[Sequence[tuple[bytes, int]]]:
        """The rows of one part, batch by batch, of a query of two columns that are never null: bytes of a file, and a
        number.

        The engine makes the bytes; a format only puts them in their place.
        """


class RecordCounter(Protocol):
    """Counts the records of a file from its bytes, chunk by chunk, knowing nothing of the query."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the file."""

    def seen(self) -> int:
        """Rows so far: never more than there are in the end."""

    def records(self) -> int:
        """Records seen, header and envelope not counted. ValueError when the bytes do not end as the format must."""


class Writer(Protocol):
    """How a format makes its file."""

    def __call__(self, rows: RowSource, query: Query, path: Path, *, framing: Framing) -> int:
        """Write all rows of ``query`` to ``path``; returns the number of rows the writer reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file encoding."""

    name: str
    suffix: str
    media_type: str
    empty_text_is_null: bool  # the encoding has one way to write nothing
    in_order: bool  # written from the first byte to the last, so that a growing file never has a hole
    write: Writer
    counter: Callable[[], RecordCounter]
