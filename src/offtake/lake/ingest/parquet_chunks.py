"""Give a Parquet file to the engine: as it is, or, if rows are wide, in pieces of a few megabytes.

DuckDB reads 2,048 rows at a time, with all their values in memory. arro3 reads any number of rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import duckdb
from arro3.core import RecordBatch, Table
from arro3.io import read_parquet, write_parquet

from offtake.errors import LakeError
from offtake.lake.ingest.chunks import CHUNK_BYTES, MAX_ROW_BYTES, ParquetChunk, row_too_long
from offtake.lake.staging import Staging, statistics_ignored
from offtake.sql_text import quote_identifier

_VECTOR_ROWS = 2_048
_PIECE = "piece.parquet"


def parquet_chunks(staging: Staging, name: str, stored: str, types: Mapping[str, str]) -> Iterator[ParquetChunk]:
    """Yield the rows of the file that the engine reads by the path ``stored``; ``types`` are DuckDB's, by column.

    Raises LakeError, which names the file by ``name``, for a row that is too long.
    """
    rows = _rows(staging.connection, stored)
    widest = _widest_row(staging.connection, stored, types)
    if widest * _VECTOR_ROWS <= 2 * CHUNK_BYTES:
        yield ParquetChunk(engine_path=stored, rows=rows, first=1)
        return
    first = 1
    for piece in _pieces(stored, max(1, CHUNK_BYTES // widest)):
        if widest > MAX_ROW_BYTES:
            _refuse_long_rows(name, piece, first)
        write_parquet(piece, staging.path(_PIECE), max_row_group_size=_VECTOR_ROWS)
        yield ParquetChunk(engine_path=staging.engine_path(_PIECE), rows=piece.num_rows, first=first)
        first += piece.num_rows
    if first != rows + 1:
        raise LakeError(f"{name}: {first - 1:,} of {rows:,} rows could be read; write the file again.")


def _rows(connection: duckdb.DuckDBPyConnection, engine_path: str) -> int:
    found = connection.execute("SELECT num_rows FROM parquet_file_metadata($path)", {"path": engine_path}).fetchone()
    return int(found[0]) if found else 0


def _widest_row(connection: duckdb.DuckDBPyConnection, engine_path: str, types: Mapping[str, str]) -> int:
    """Return the bytes of text of the longest row; more than the limit if the engine has no memory to find out."""
    lengths = [_length(quote_identifier(name), duckdb_type) for name, duckdb_type in types.items()]
    texts = [f"coalesce({length}, 0)" for length in lengths if length]
    if not texts:
        return 0
    sql = f"SELECT max({' + '.join(texts)}) FROM read_parquet($path, hive_partitioning = false)"  # noqa: S608
    try:
        with statistics_ignored(connection):
            found = connection.execute(sql, {"path": engine_path}).fetchone()
    except duckdb.OutOfMemoryException:
        return MAX_ROW_BYTES + 1
    return int(found[0] or 0) if found else 0


def _length(column: str, duckdb_type: str) -> str | None:
    if duckdb_type == "VARCHAR":
        return f"strlen({column})"
    if duckdb_type == "BLOB":
        return f"octet_length({column})"
    if duckdb_type == "VARCHAR[]":
        return f"list_sum(list_transform({column}, lambda item: strlen(item)))"
    return None


def _pieces(stored: str, batch_rows: int) -> Iterator[Table]:
    """Yield the rows in pieces of about ``CHUNK_BYTES``, reading ``batch_rows`` at a time."""
    pending: list[RecordBatch] = []
    for batch in read_parquet(stored, batch_size=batch_rows):
        pending.append(batch)
        if sum(each.nbytes for each in pending) >= CHUNK_BYTES:
            yield Table.from_batches(pending)
            pending = []
    if pending:
        yield Table.from_batches(pending)


def _refuse_long_rows(name: str, piece: Table, first: int) -> None:
    """Refuse a row that exceeds the limit; the batches of the piece have one row each."""
    for number, batch in enumerate(piece.to_batches(), start=first):
        if batch.nbytes > MAX_ROW_BYTES:
            raise row_too_long(f"{name}: row {number}")
