"""The definition of a file format: name, media type, writers, and a counter of records.

The counter rules out silent truncation: a file is published only if the number of rows that the writer reports equals
the number of records counted in the bytes of the finished file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from offtake.model.format_options import Compression, CsvOptions
from offtake.model.layout import Framing
from offtake.model.query import Query
from offtake.model.typed_values import ValueForm

if TYPE_CHECKING:  # 50 MB of memory, and most attempts write no such file
    import pyarrow as pa

RawCell = bytes | list[bytes | None] | None
RawRow = tuple[Any, ...]  # a line as bytes or None, then a RawCell per column


class RowSource(Protocol):
    """The part of an engine session that a format uses."""

    @property
    def partitions(self) -> int:
        """Number of partitions, computed one after the other, that make up the rows of a query."""

    @property
    def buffer_bytes(self) -> int:
        """Bytes of rows that a writer may collect before it writes them, by the memory of the attempt."""

    def copy(self, query: Query, path: Path, *, options: str, as_json: bool, partition: int = 0) -> int:
        """Write the rows of one partition of ``query`` to ``path`` and return their number."""

    def types(self, query: Query) -> Sequence[str]:
        """Return DuckDB's type names of the query's columns, in order."""

    def checked(self, query: Query, *, copies: int) -> Query:
        """Return a query for the same rows that fails at a row too wide for a writer of whole vectors.

        ``copies`` is the memory that the writer needs for a vector of rows, as a multiple of their bytes.
        """

    def lines(
        self, query: Query, *, csv: CsvOptions | None, copies: int, in_groups: bool = False, partition: int = 0
    ) -> Iterator[RawRow]:
        """Yield the rows of one partition one by one: a line and nulls or, for a wide row, null and its raw cells.

        A line is a CSV record with these options, or a JSON object if there are none. Fails at a row that is too wide
        to be copied. With ``in_groups``, few rows are rendered at a time.
        """

    def raw_rows(self, query: Query, *, as_json: bool, partition: int = 0) -> Iterator[RawRow]:
        """Yield the rows of one partition one by one: null and the raw cells, as ``lines`` does for a wide row.

        Text is raw UTF-8, also in lists; other values are their text or, with ``as_json``, their JSON.
        """

    def stream(self, query: Query, *, partition: int = 0) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of one partition one by one."""

    def batches(self, query: Query, *, size: int, partition: int = 0) -> Iterator[pa.RecordBatch]:
        """Yield the rows of one partition as Arrow batches of ``size`` rows, the last one smaller.

        A partition without rows has one empty batch, so its types are known.
        """

    def stream_in_groups(
        self, query: Query, encode: Callable[[Query], Query], *, partition: int = 0
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of ``encode(query)`` for one partition, but render and encode only a few rows at a time."""

    def encoded(self, query: Query, *, partition: int = 0) -> Iterator[Sequence[tuple[bytes, int]]]:
        """Yield the rows of one partition in batches.

        ``query`` has two columns that are never null: bytes for the file, and a number.
        """

    def evaluate(self, query: Query) -> Sequence[tuple[Any, ...]]:
        """Return the rows of a small query that reads no table, also while rows of another query are streamed."""


class RecordCounter(Protocol):
    """Counts the records of a file from its bytes, chunk by chunk, independently of the query."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the file."""

    def seen(self) -> int:
        """Return a lower bound of the number of rows so far."""

    def records(self) -> int:
        """Return the number of records, without header and framing. Raises ValueError if the file is incomplete."""


class Writer(Protocol):
    """Writes a file of a format."""

    def __call__(self, rows: RowSource, query: Query, path: Path, *, framing: Framing) -> int:
        """Write all rows of ``query`` to ``path`` and return their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file encoding."""

    name: str
    suffix: str
    media_type: str
    is_text: bool  # not compressed itself
    empty_text_is_null: bool  # the encoding cannot distinguish null from empty text
    in_order: bool  # the writers write sequentially, so their growing file never has holes
    values: ValueForm
    compressions: tuple[Compression, ...]  # accepted by a request; the first one is the default
    write: Writer  # fails with the engine's error at a row that is too wide for it
    # The same rows, more slowly; except in Parquet and Arrow, the same bytes. Each is for rows for which the one before
    # it has too little memory.
    write_wide: tuple[Writer, ...]
    counter: Callable[[Framing, Path], RecordCounter]  # of the file at that path, with that framing
    # The format with another codec inside the file; None: whole files are compressed (``stage``).
    recoded: Callable[[Compression], Format] | None = None
    # Compression of the file that the writers write. Suffix, media type and counter are those of the compressed file.
    stage: Compression = Compression.NONE
