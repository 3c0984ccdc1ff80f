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
from offtake.sql_text import comma_separated, quote_identifier


def _open(staging: Staging, file: InputFile, options: ReaderOptions) -> Source:
    del options
    check_parquet(file)
    descriptor = file.on_disk(staging)
    check_parquet_end(file.name, descriptor)
    stored = descriptor_path(descriptor)
    description = staging.connection.execute(
        "DESCRIBE SELECT * FROM read_parquet($path, hive_partitioning = false)", {"path": stored}
    ).fetchall()
    types = {str(row[0]): str(row[1]) for row in description}
    names = {name: f"c{number}" for number, name in enumerate(types, start=1)}
    # The pieces of a file with wide rows hold the bytes of UUIDs.
    read = [
        f"{f'CAST({quote_identifier(name)} AS UUID)' if types[name] == 'UUID' else quote_identifier(name)} AS {column}"
        for name, column in names.items()
    ]
    relation = f"SELECT {comma_separated(read)}\nFROM read_parquet($path, hive_partitioning = false)"

    def column(name: str) -> SourceValue | None:
        return typed_value(name, names[name], types[name]) if name in types else None

    def rows(wanted: Wanted) -> SourceRows:
        del wanted
        return SourceRows(
            chunks=lambda: parquet_chunks(staging, file.name, stored, types),
            relation=relation,
            raw=row_as_json(list(names.items())),
        )

    return Source(path=file.name, form=PARQUET, names=tuple(types), column=column, rows=rows, location=file.name)


PARQUET = SourceFormat(name="Parquet", suffixes=(".parquet",), open=_open, has_lines=False)
