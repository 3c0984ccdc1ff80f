"""Writers that receive rows as Arrow batches, for files that DuckDB cannot write or whose partitions it cannot join.

Rows are collected up to a number of bytes, which the memory of the attempt limits, and then written together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from offtake.formats.format import RowSource, Writer
from offtake.model.layout import Framing
from offtake.model.query import Query

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 2_048  # a vector of the engine
_COPIES = 4  # memory of a vector of rows: in the engine, in its batch, collected, and encoded


class BatchSink(Protocol):
    """An open file. Leaving it as a context manager closes the file."""

    def write(self, rows: pa.Table) -> None:
        """Write rows as one unit of the format: a row group, a record batch."""

    def __enter__(self) -> BatchSink: ...

    def __exit__(self, *_: object) -> None: ...


def by_batches(
    open_file: Callable[[Path, pa.Schema, Framing], BatchSink], *, most_rows: int, most_bytes: int, wide: bool = False
) -> Writer:
    """Return a writer of units of at most ``most_rows`` rows and about ``most_bytes`` bytes.

    With ``wide``, it is for wide rows: it takes them from the engine one by one. Without it, it fails at a row that is
    too wide.
    """

    def write(rows: RowSource, query: Query, path: Path, *, framing: Framing) -> int:
        if not wide:
            query = rows.checked(query, copies=_COPIES)
        batches = _batches(rows, query, size=1 if wide else _BATCH_ROWS)
        first = next(batches)  # a partition yields at least one batch
        written = 0
        with open_file(path, first.schema, framing) as file:
            for table in _collected(first, batches, most_rows=most_rows, most_bytes=min(most_bytes, rows.buffer_bytes)):
                file.write(table)
                written += table.num_rows
        return written

    return write


def _batches(rows: RowSource, query: Query, *, size: int) -> Iterator[pa.RecordBatch]:
    for partition in range(rows.partitions):
        yield from rows.batches(query, size=size, partition=partition)


def _collected(
    first: pa.RecordBatch, batches: Iterator[pa.RecordBatch], *, most_rows: int, most_bytes: int
) -> Iterator[pa.Table]:
    """Yield the batches in groups within the limits; a row that is larger is alone in its group."""
    import pyarrow as pa

    group, rows, size = [first], first.num_rows, first.nbytes
    for batch in batches:
        if rows and (rows + batch.num_rows > most_rows or size + batch.nbytes > most_bytes):
            yield pa.Table.from_batches(group)
            group, rows, size = [], 0, 0
        group.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
    if rows:
        yield pa.Table.from_batches(group)
