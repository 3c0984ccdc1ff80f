"""Reads Parquet: typed columns, which the engine reads by itself."""

from __future__ import annotations

from offtake.lake.ingest.content import check_parquet
from offtake.lake.ingest.inputs import InputFile
from offtake.lake.ingest.parquet_chunks import parquet_chunks
from offtake.lake.ingest.readers.source import (
    ReaderOptions,
    Source,
    SourceFormat,
    SourceKind,
    SourceRows,
    SourceValue,
    Wanted,
    row_as_json,
)
from offtake.lake.staging import Staging
from offtake.sql_text import quote_identifier


def _open(staging: Staging, file: InputFile, options: ReaderOptions) -> Source:
    del options
    check_parquet(file)
    relation = "SELECT * FROM read_parquet($path, hive_partitioning = false)"
    description = staging.connection.execute(f"DESCRIBE {relation}", {"path": file.engine_path}).fetchall()
    types = {str(row[0]): str(row[1]) for row in description}
    uuids = [quote_identifier(name) for name, duckdb_type in types.items() if duckdb_type == "UUID"]
    if uuids:  # the pieces of a file with wide rows hold their bytes
        relation = relation.replace(
            "*", f"* REPLACE ({', '.join(f'CAST({name} AS UUID) AS {name}' for name in uuids)})"
        )

    def column(name: str) -> SourceValue | None:
        if name not in types:
            return None
        sql = quote_identifier(name)
        return SourceValue(name=name, kind=SourceKind.TYPED, sql=sql, duckdb_type=types[name])

    def rows(wanted: Wanted) -> SourceRows:
        del wanted
        return SourceRows(
            chunks=lambda: parquet_chunks(staging, file, types),
            relation=relation,
            raw=row_as_json([(name, quote_identifier(name)) for name in types]),
        )

    return Source(path=file.path, form=PARQUET, names=tuple(types), column=column, rows=rows, location=str(file.path))


PARQUET = SourceFormat(name="Parquet", suffixes=(".parquet",), open=_open, has_lines=False)
