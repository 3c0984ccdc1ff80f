"""Chunks: the whole records of a few megabytes of an input file, which the engine reads at once.

The engine holds 2,048 rows at a time in memory, however long they are, and drops a CSV record that exceeds its buffer
(duckdb/duckdb#25825). Chunks limit both by bytes. The records of a chunk are counted without the engine, so a record
that it loses is noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from offtake.errors import LakeError
from offtake.lake.ingest.long_values import LongValue

CHUNK_BYTES = 8 * 1024 * 1024  # of wide rows: the engine holds several copies of 2,048 rows
_NARROW_CHUNK_BYTES = 32 * 1024 * 1024
_NARROW_ROW_BYTES = 2 * 1024  # average; 2,048 such rows are few megabytes
MAX_ROW_BYTES = 64 * 1024 * 1024  # the one limit of a row, in every format; lake.md and the messages state it


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenRecord:
    """A record that was not given to the engine; ``position`` is the number of records of the chunk before it."""

    position: int
    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Where a record of a text file begins, and its bytes without the line end."""

    line: int
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TextChunk:
    """Whole records of a CSV or NDJSON file, one after the other; ``rows`` is their number without the broken ones."""

    content: bytes
    rows: int
    split: Callable[[], Sequence[Record]]  # the records; a chunk that has no bad row is never split
    broken: Sequence[BrokenRecord] = ()
    long_values: Sequence[LongValue] = ()  # taken out of the records


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetChunk:
    """A Parquet file that the engine reads by ``engine_path``; ``first`` is the number of its first row."""

    engine_path: str
    rows: int
    first: int


Chunk = TextChunk | ParquetChunk


def row_too_long(location: str, *, cause: str = "") -> LakeError:
    """Return the error for a row that exceeds ``MAX_ROW_BYTES``; ``cause`` is what else it may be."""
    return LakeError(
        f"{location}: the row is longer than {MAX_ROW_BYTES // 1024**2} MiB, the most that a load reads at once, so "
        f"--reject-to cannot take it. Shorten its longest value, or leave the row out.{cause} Nothing was loaded."
    )


def next_block(chunk: TextChunk | None) -> int:
    """Return how many bytes to read after a chunk: large chunks of narrow rows cost least."""
    if chunk is None or chunk.rows * _NARROW_ROW_BYTES < len(chunk.content):
        return CHUNK_BYTES
    return _NARROW_CHUNK_BYTES


def read_ahead(chunks: Iterator[TextChunk]) -> Iterator[TextChunk]:
    """Yield the chunks; the next one is read and split in a thread while the engine reads the last one."""
    with ThreadPoolExecutor(1, thread_name_prefix="load-reader") as pool:
        following = pool.submit(next, chunks, None)
        while (chunk := following.result()) is not None:
            following = pool.submit(next, chunks, None)
            yield chunk


def halves(chunk: TextChunk) -> tuple[TextChunk, TextChunk] | None:
    """Return the two halves of a chunk; None if it has one record only, apart from broken ones."""
    records = chunk.split()
    middle = len(records) // 2
    if not middle:
        return None
    before = [each for each in chunk.broken if each.position < middle]
    after = [replace(each, position=each.position - middle) for each in chunk.broken if each.position >= middle]
    first, second = join_records(records[:middle]), join_records(records[middle:])
    return (
        replace(first, broken=before, long_values=chunk.long_values),
        replace(second, broken=after, long_values=chunk.long_values),
    )


def without_record(chunk: TextChunk, reason: str) -> TextChunk:
    """Return a chunk of one record, in which this record is a broken one, too."""
    (record,) = chunk.split()
    text = record.content.decode("utf-8", errors="replace")
    broken = [*chunk.broken, BrokenRecord(position=0, line=record.line, text=text, reason=reason)]
    by_line = sorted((replace(each, position=0) for each in broken), key=lambda each: each.line)
    return replace(join_records([]), broken=by_line)


def join_records(records: Sequence[Record]) -> TextChunk:
    """Return a chunk of these records."""
    content = b"".join(record.content + b"\n" for record in records)
    return TextChunk(content=content, rows=len(records), split=lambda: records)
