"""Load files into a lake table in one commit, all or nothing; every row is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import duckdb

from offtake.errors import LakeError, StorageUnavailable
from offtake.lake.compact import compact
from offtake.lake.delta import Lake
from offtake.lake.ingest.chunks import Chunk, TextChunk, halves, without_record
from offtake.lake.ingest.counts import LoadCounts
from offtake.lake.ingest.csv_records import QUOTE_FAULT
from offtake.lake.ingest.folders import parquet_parts
from offtake.lake.ingest.incoming import Incoming
from offtake.lake.ingest.inputs import BYTE_ORDER_MARK
from offtake.lake.ingest.long_values import put_back
from offtake.lake.ingest.mapping.identity import identity
from offtake.lake.ingest.mapping.mapped import MappedSource
from offtake.lake.ingest.marks import separate_marks
from offtake.lake.ingest.options import LoadOptions, MaxRejects
from offtake.lake.ingest.period import in_period, period_rule
from offtake.lake.ingest.readers import open_source, source_format
from offtake.lake.ingest.readers.source import ReaderOptions
from offtake.lake.ingest.rejects import BadRows, bad_rows, broken_rows, reject_file, rejected
from offtake.lake.ingest.upsert import Stored, upsert
from offtake.lake.ingest.validate import stage
from offtake.lake.staging import MEMORY_BYTES, Staging, staging
from offtake.lake.tables import Table

_CHUNK = "chunk"
_PLAIN = LoadOptions()
_MIN_RECORD_BYTES = 2 * 1024 * 1024  # the engine's default for the longest record of a file


def load(
    lake: Lake,
    table: Table,
    files: Sequence[Path],
    *,
    tenant: str,
    reject_to: Path | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> LoadCounts:
    """Load files as ``load_files`` does; a load with a file for bad rows accepts any number of them."""
    accepted = MaxRejects(percent=100) if reject_to else MaxRejects()
    options = LoadOptions(reject_to=reject_to, max_rejects=accepted)
    return load_files(lake, table, files, tenant=tenant, options=options, progress=progress).counts


def load_files(
    lake: Lake,
    table: Table,
    files: Sequence[Path],
    *,
    tenant: str,
    options: LoadOptions,
    progress: Callable[[int], None] = lambda rows: None,
) -> Stored:
    """Upsert the rows of all files by key, in one commit; ``progress`` gets the number of rows read after each chunk.

    A later row replaces an earlier one with the same key. Raises LakeError for a file that cannot be loaded, and
    LoadRejected for more bad rows than the options permit, which are then in the file for them; nothing is stored in
    either case. Foreign keys are not enforced: facts may arrive before the agents and teams they reference.
    """
    if not files:
        raise LakeError("There is no file to load; name at least one.")
    files = [part for path in files for part in parquet_parts(path)]
    for path in files:
        source_format(path)
    with staging(lake.storage.staging) as area:
        incoming = Incoming(area, table)
        bad = BadRows(area.path("rejected.ndjson"), keep=options.reject_to is not None)
        deleted = None if options.period is None else in_period(area.connection, table, options.period)
        read = 0
        for path in files:
            with open_mapped(area, table, path, options) as source:
                for chunk in source.chunks():
                    read += stage_chunk(incoming, source, chunk, bad, tenant=tenant)
                    progress(read)
        if bad.first is not None and not options.max_rejects.permits(bad.count, read):
            with reject_file(options.reject_to, bad.lines(), inputs=files):
                pass
            raise rejected(bad.first, bad.count, read, options)
        with reject_file(options.reject_to, bad.lines(), inputs=files), lake.writing(table):
            stored = upsert(incoming, lake, tenant=tenant, change=options.change, deleted=deleted, rejected=bad.count)
    with suppress(StorageUnavailable):  # the rows are stored; the next load tries to compact again
        compact(lake, table, tenant=tenant)
    return stored


@contextmanager
def open_mapped(area: Staging, table: Table, path: Path, options: LoadOptions = _PLAIN) -> Iterator[MappedSource]:
    """Open an input file and map its columns. Raises LakeError, also for any error while the block reads it."""
    with open_source(area, path, ReaderOptions()) as source:
        marked = "false"
        if options.delete_column is not None:
            source, marked = separate_marks(source, options.delete_column)
        rules = {} if options.period is None else period_rule(table)
        yield replace(identity(table, source), marked=marked, rules=rules)


def stage_chunk(incoming: Incoming, source: MappedSource, chunk: Chunk, bad: BadRows, *, tenant: str) -> int:
    """Check the rows of one chunk, and keep the good ones; return the number of rows, good and bad."""
    connection, table = incoming.connection, incoming.table
    path, size = _chunk_file(incoming.staging, chunk)
    try:
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
        return sum(stage_chunk(incoming, source, part, bad, tenant=tenant) for part in parts)
    bad.add(bad_rows(connection, source, chunk, broken), source)
    incoming.keep()
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
