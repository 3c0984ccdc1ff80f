"""Check the rows of a chunk; a chunk that the engine cannot read is read in parts, down to single records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Protocol

import duckdb

from offtake.errors import LakeError
from offtake.lake.ingest.chunks import Chunk, TextChunk, halves, without_record
from offtake.lake.ingest.csv_records import QUOTE_FAULT
from offtake.lake.ingest.incoming import Incoming
from offtake.lake.ingest.inputs.encodings import BYTE_ORDER_MARK
from offtake.lake.ingest.long_values import put_back
from offtake.lake.ingest.mapping.mapped import MappedSource
from offtake.lake.ingest.rejects import Fault, broken_rows
from offtake.lake.ingest.validate import stage
from offtake.lake.staging import MEMORY_BYTES, Staging, statistics_ignored

_CHUNK = "chunk"
_MIN_RECORD_BYTES = 2 * 1024 * 1024  # the engine's default for the longest record of a file


class Sink(Protocol):
    """What takes the checked rows of a chunk: a load, or a check that only counts faults."""

    def take(self, incoming: Incoming, source: MappedSource, chunk: Chunk, broken: Mapping[int, Fault]) -> None:
        """Take the rows in the table ``arriving``, and empty it; ``broken`` are records that are not in it."""


def stage_chunk(incoming: Incoming, source: MappedSource, chunk: Chunk, sink: Sink, *, tenant: str) -> int:
    """Check the rows of one chunk and give them to ``sink``; return the number of rows, good and bad."""
    connection, table = incoming.connection, incoming.table
    path, size = _chunk_file(incoming.staging, chunk)
    try:
        with nullcontext() if isinstance(chunk, TextChunk) else statistics_ignored(connection):
            staged = 0 if chunk.rows == 0 else stage(connection, table, source, path, size=size, tenant=tenant)
        if isinstance(chunk, TextChunk):
            put_back(connection, chunk.long_values, source.long_columns)
        broken = broken_rows(connection, source)
        lost = chunk.rows - staged - len(broken)
        if lost:
            raise _rows_lost(source, chunk, lost)
    except (duckdb.OutOfMemoryException, duckdb.InvalidInputException, _RowsLostError) as error:
        parts = _parts(source, chunk, error)
        if parts is None and isinstance(error, duckdb.OutOfMemoryException):
            raise _needs_memory(source, chunk) from error
        if parts is None:
            raise
        incoming.clear()
        broken_rows(connection, source)
        return sum(stage_chunk(incoming, source, part, sink, tenant=tenant) for part in parts)
    sink.take(incoming, source, chunk, broken)
    return chunk.rows + (len(chunk.broken) if isinstance(chunk, TextChunk) else 0)


def _parts(source: MappedSource, chunk: Chunk, error: Exception) -> Sequence[TextChunk] | None:
    """Return chunks of the same records that may be read although the chunk could not; None if there are none.

    Misplaced quotes can confuse DuckDB's CSV parser so that it fails or loses records. Of such a chunk, the records are
    read alone, as far as necessary, and the one that it cannot read is a broken record.
    """
    if not isinstance(chunk, TextChunk):
        return None
    parts = halves(chunk)
    if parts is None and source.form.reports_broken_records and not isinstance(error, duckdb.OutOfMemoryException):
        return [without_record(chunk, QUOTE_FAULT)]
    return parts


def _chunk_file(area: Staging, chunk: Chunk) -> tuple[str, int]:
    """Return the path by which the engine reads the chunk, and the bytes of its longest record at most."""
    if not isinstance(chunk, TextChunk):
        return chunk.engine_path, 0
    content = chunk.content
    if content.startswith(BYTE_ORDER_MARK):
        content = BYTE_ORDER_MARK + content  # the engine removes the first one; the other is text of the first record
    area.path(_CHUNK).write_bytes(content)
    return area.engine_path(_CHUNK), max(len(content) + 1, _MIN_RECORD_BYTES)


class _RowsLostError(LakeError):
    """The engine did not read rows, and did not report them."""


def _rows_lost(source: MappedSource, chunk: Chunk, lost: int) -> _RowsLostError:
    return _RowsLostError(
        f"{_where(source, chunk)}: {abs(lost):,} rows were not read as they are written. Nothing was loaded."
    )


def _needs_memory(source: MappedSource, chunk: Chunk) -> LakeError:
    limit = MEMORY_BYTES // 1024**2
    return LakeError(
        f"{_where(source, chunk)}: the row needs more than the {limit} MiB of memory of a load. Shorten its values, or "
        "nest them less deeply. Nothing was loaded."
    )


def _where(source: MappedSource, chunk: Chunk) -> str:
    if not isinstance(chunk, TextChunk):
        return f"{source.path}: rows {chunk.first} to {chunk.first + chunk.rows - 1}"
    records = chunk.split()
    first, last = records[0].line, records[-1].line
    return f"{source.path}:{first}" if first == last else f"{source.path}:{first}-{last}"
