"""Parquet: values of their types, the meanings of the columns in the file's key-value metadata.

DuckDB's COPY writes the file. Partitions and wide rows are written from Arrow batches instead, because COPY can neither
append to a file nor write a row that exceeds its memory; such a file has the same schema and the same metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from offtake.formats.batch_writer import by_batches
from offtake.formats.format import Format, RowSource, Writer
from offtake.model.format_options import Compression
from offtake.model.layout import Framing
from offtake.model.query import Query
from offtake.model.typed_values import ValueForm
from offtake.sql_text import quote_identifier, quote_literal

if TYPE_CHECKING:
    import pyarrow as pa

_ROW_GROUP_ROWS = 122_880
_ROW_GROUP_BYTES = 128 * 1024 * 1024  # before they are encoded
_COPIES = 4  # memory of COPY, as a multiple of the text of a vector (DuckDB 2.0)
_MAGIC = b"PAR1"
_FRAME_BYTES = 12  # the magic at both ends, and the length of the footer
_ZSTD_LEVEL = 3
# Names of the codecs in COPY and in pyarrow.
_COPY_CODECS = {Compression.NONE: "uncompressed", Compression.GZIP: "gzip", Compression.ZSTD: "zstd"}
_ARROW_CODECS = {Compression.NONE: "none", Compression.GZIP: "gzip", Compression.ZSTD: "zstd"}


class ParquetCounter:
    """Reads the number of rows from the footer, and compares it with the values of the column chunks.

    The footer is at the end, so ``seen`` is zero until then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._start, self._end = b"", b""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._size += len(chunk)
        self._start += chunk[: len(_MAGIC) - len(self._start)]
        self._end = (self._end + chunk[-len(_MAGIC) :])[-len(_MAGIC) :]

    def seen(self) -> int:
        """Return zero: the rows are counted at the end of the file."""
        return 0

    def records(self) -> int:
        """Return the number of rows of all row groups. Raises ValueError if they do not fill the file."""
        import pyarrow as pa
        from pyarrow import parquet

        if self._size < _FRAME_BYTES or (self._start, self._end) != (_MAGIC, _MAGIC):
            raise ValueError("the Parquet file has no footer")
        if self._path.stat().st_size != self._size:
            raise ValueError("the Parquet file changed")
        try:
            footer = parquet.read_metadata(self._path)
        except (pa.ArrowException, OSError) as error:
            raise ValueError("the footer of the Parquet file is damaged") from error
        rows = 0
        for number in range(footer.num_row_groups):
            group = footer.row_group(number)
            for index in range(group.num_columns):
                column = group.column(index)
                # A list has at least one value a row, also if it is null or empty.
                flat = footer.schema.column(index).max_repetition_level == 0
                if column.num_values < group.num_rows or (flat and column.num_values != group.num_rows):
                    raise ValueError("a column of the Parquet file lacks values")
                first = column.dictionary_page_offset or column.data_page_offset
                if first < len(_MAGIC) or first + column.total_compressed_size > self._size - _FRAME_BYTES:
                    raise ValueError("a column of the Parquet file lies outside of it")
            rows += group.num_rows
        if rows != footer.num_rows:
            raise ValueError("the row groups of the Parquet file do not have its number of rows")
        return rows


def _by_copy(compression: Compression) -> Writer:
    """Return the writer that uses COPY, and Arrow batches if there are several partitions."""
    by_partitions = _by_batches(compression, wide=False)

    def write(rows: RowSource, query: Query, path: Path, *, framing: Framing) -> int:
        if rows.partitions > 1:
            return by_partitions(rows, query, path, framing=framing)
        query = rows.checked(query, copies=_COPIES)
        size = min(_ROW_GROUP_BYTES, rows.buffer_bytes)
        options = (
            f"FORMAT parquet, COMPRESSION {_COPY_CODECS[compression]}, ROW_GROUP_SIZE {_ROW_GROUP_ROWS}, "
            f"ROW_GROUP_SIZE_BYTES {size}{_key_value_metadata(framing.metadata)}"
        )
        return rows.copy(query, path, options=options, as_json=False)

    return write


def _key_value_metadata(metadata: Mapping[str, str]) -> str:
    """Return the option of COPY."""
    pairs = (f"{quote_identifier(key)}: {quote_literal(value)}" for key, value in metadata.items())
    return f", KV_METADATA {{{', '.join(pairs)}}}" if metadata else ""


class _ParquetFile:
    """A file whose row groups are written from Arrow tables."""

    def __init__(self, path: Path, schema: pa.Schema, metadata: Mapping[str, str], compression: Compression) -> None:
        from pyarrow import parquet

        self._writer = parquet.ParquetWriter(
            path,
            schema,
            compression=_ARROW_CODECS[compression],
            compression_level=_ZSTD_LEVEL if compression is Compression.ZSTD else None,
            store_schema=False,
        )
        self._metadata = metadata

    def write(self, rows: pa.Table) -> None:
        """Write a row group."""
        self._writer.write_table(rows, row_group_size=max(1, rows.num_rows))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._metadata:
            self._writer.add_key_value_metadata(dict(self._metadata))
        self._writer.close()


def _by_batches(compression: Compression, *, wide: bool) -> Writer:
    return by_batches(
        lambda path, schema, framing: _ParquetFile(path, schema, framing.metadata, compression),
        most_rows=_ROW_GROUP_ROWS,
        most_bytes=_ROW_GROUP_BYTES,
        wide=wide,
    )


PARQUET: Format = Format(
    name="parquet",
    suffix="parquet",
    media_type="application/vnd.apache.parquet",
    is_text=False,
    empty_text_is_null=False,
    in_order=True,
    values=ValueForm.COLUMNS,
    compressions=(Compression.ZSTD, Compression.GZIP, Compression.NONE),
    write=_by_copy(Compression.ZSTD),
    write_wide=(_by_batches(Compression.ZSTD, wide=True),),
    counter=lambda _, path: ParquetCounter(path),
    recoded=lambda compression: replace(
        PARQUET, write=_by_copy(compression), write_wide=(_by_batches(compression, wide=True),)
    ),
)
