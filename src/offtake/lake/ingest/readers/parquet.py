"""Reads Parquet: typed columns, which the engine reads by itself."""

from __future__ import annotations

from offtake.lake.engine_path import descriptor_path
from offtake.lake.ingest.content import check_parquet, check_parquet_end
from offtake.lake.ingest.inputs.input_file import InputFile
from offtake.lake.ingest.parquet_chunks import parquet_chunks
from offtake.lake.ingest.readers.source import (
    ReaderOptions,
    Source,
    SourceFormat,
    SourceRows,
    SourceValue,
    Wanted,
    row_as_json,
    typed_value,
)
from offtake.lake.staging import Staging
from offtake.sql_text import quote_identifier


def _open(staging: Staging, file: InputFile, options: ReaderOptions) -> Source:
    del options
    check_parquet(file)
    descriptor = file.on_disk(staging)
    check_parquet_end(file.name, descriptor)
    stored = descriptor_path(descriptor)
    relation = "SELECT * FROM read_parquet($path, hive_partitioning = false)"
    description = staging.connection.execute(f"DESCRIBE {relation}", {"path": stored}).fetchall()
    types = {str(row[0]): str(row[1]) for row in description}
    uuids = [quote_identifier(name) for name, duckdb_type in types.items() if duckdb_type == "UUID"]
    if uuids:  # the pieces of a file with wide rows hold their bytes
        relation = relation.replace(
            "*", f"* REPLACE ({', '.join(f'CAST({name} AS UUID) AS {name}' for name in uuids)})"
        )

    def column(name: str) -> SourceValue | None:
        return typed_value(name, quote_identifier(name), types[name]) if name in types else None

    def rows(wanted: Wanted) -> SourceRows:
        del wanted
        return SourceRows(
            chunks=lambda: parquet_chunks(staging, file.name, stored, types),
            relation=relation,
            raw=row_as_json([(name, quote_identifier(name)) for name in types]),
        )

    return Source(path=file.name, form=PARQUET, names=tuple(types), column=column, rows=rows, location=file.name)


PARQUET = SourceFormat(name="Parquet", suffixes=(".parquet",), open=_open, has_lines=False)
