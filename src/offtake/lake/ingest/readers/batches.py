"""Rows that arrive as record batches: they become Parquet files in the staging folder.

The engine reads these as it reads any Parquet file, so types, limits and messages are the same for all of them. Columns
are numbered in these files: a source may have columns of equal or empty names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offtake.lake.ingest.chunks import CHUNK_BYTES, MAX_ROW_BYTES, ParquetChunk, row_too_long
from offtake.lake.ingest.readers.arrow_types import readable, readable_type
from offtake.lake.ingest.readers.source import (
    Source,
    SourceFormat,
    SourceRows,
    Wanted,
    row_as_json,
    typed_value,
)
from offtake.lake.staging import Staging
from offtake.sql_text import quote_identifier

if TYPE_CHECKING:
    import pyarrow as pa

_PIECE = "piece.parquet"
_RELATION = "SELECT * FROM read_parquet($path, hive_partitioning = false)"
_VECTOR_ROWS = 2_048  # that the engine holds at a time
_PIECE_BYTES = 4 * CHUNK_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Consecutive rows; ``first`` is the number of the first one, for messages."""

    first: int
    batch: pa.RecordBatch


def batch_source(staging: Staging, name: str, form: SourceFormat, schema: pa.Schema, rows: Iterator[Rows]) -> Source:
    """Return the source of these rows; ``name`` is for messages. Raises LakeError for a type that cannot be read."""
    import pyarrow as pa

    names = tuple(schema.names)
    if not names:
        return Source(path=name, form=form, names=(), column=lambda name: None, rows=_no_rows, location=name)
    columns = [f"c{number}" for number in range(1, len(names) + 1)]
    target = pa.schema([(column, readable_type(name, field)) for column, field in zip(columns, schema, strict=True)])
    _write(staging, target.empty_table())
    description = staging.connection.execute(f"DESCRIBE {_RELATION}", {"path": staging.engine_path(_PIECE)}).fetchall()
    types = {str(row[0]): str(row[1]) for row in description}
    values = {
        label: typed_value(label, quote_identifier(column), types[column])
        for label, column in zip(reversed(names), reversed(columns), strict=True)
    }
    return Source(
        path=name,
        form=form,
        names=names,
        column=values.get,
        rows=lambda wanted: SourceRows(
            chunks=lambda: _chunks(staging, name, target, rows),
            relation=_RELATION,
            raw=row_as_json(list(zip(names, map(quote_identifier, columns), strict=True))),
        ),
        location=name,
    )


def _no_rows(wanted: Wanted) -> SourceRows:
    return SourceRows(chunks=lambda: iter(()), relation="SELECT 1 WHERE false", raw="NULL")


def _chunks(staging: Staging, name: str, target: pa.Schema, rows: Iterator[Rows]) -> Iterator[ParquetChunk]:
    import pyarrow as pa

    pending: list[pa.RecordBatch] = []
    first = following = 1

    def chunk() -> ParquetChunk:
        _write(staging, pa.Table.from_batches(pending))
        return ParquetChunk(engine_path=staging.engine_path(_PIECE), rows=following - first, first=first)

    for each in rows:
        if pending and each.first != following:
            yield chunk()
            pending.clear()
        if not pending:
            first = following = each.first
        for part in _parts(name, each.first, each.batch):
            pending.append(readable(name, part, target))
            following += part.num_rows
            if sum(batch.nbytes for batch in pending) >= _limit(pending, following - first):
                yield chunk()
                pending.clear()
                first = following
    if pending:
        yield chunk()


def _limit(pending: Sequence[pa.RecordBatch], rows: int) -> int:
    """Return the bytes of a piece: the engine holds ``_VECTOR_ROWS`` rows in memory, in several copies."""
    return CHUNK_BYTES if pending[-1].nbytes * _VECTOR_ROWS > CHUNK_BYTES * pending[-1].num_rows else _PIECE_BYTES


def _parts(name: str, first: int, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a batch in batches of ``CHUNK_BYTES`` at most. Raises LakeError for a row too long."""
    if batch.num_rows <= 1 or batch.nbytes <= CHUNK_BYTES:
        if batch.nbytes > MAX_ROW_BYTES:
            raise row_too_long(f"{name}: row {first}")
        yield batch
        return
    middle = batch.num_rows // 2
    yield from _parts(name, first, batch.slice(0, middle))
    yield from _parts(name, first + middle, batch.slice(middle))


def _write(staging: Staging, piece: pa.Table) -> None:
    from pyarrow import parquet

    parquet.write_table(
        piece,
        staging.path(_PIECE),
        compression="none",
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
    )


def numbered(batches: Iterator[pa.RecordBatch]) -> Iterator[Rows]:
    """Number the rows of batches from 1."""
    first = 1
    for batch in batches:
        if batch.num_rows:
            yield Rows(first=first, batch=batch)
        first += batch.num_rows
