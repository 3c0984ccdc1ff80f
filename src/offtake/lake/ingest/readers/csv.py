"""Reads CSV: text fields between delimiters, one record per line, the names of the columns first."""

from __future__ import annotations

import csv
import io

from offtake.lake.ingest.chunks import read_ahead
from offtake.lake.ingest.content import as_text
from offtake.lake.ingest.csv_chunks import CsvSplitter
from offtake.lake.ingest.csv_records import CsvDialect
from offtake.lake.ingest.inputs.compression import without_compression
from offtake.lake.ingest.inputs.input_file import InputFile
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
from offtake.sql_text import quote_literal

BROKEN = "broken"  # table of the CSV records that the engine could not parse; it appears with the first one
BROKEN_SCANS = "broken_scans"
_TSV = ".tsv"


def _open(staging: Staging, file: InputFile, options: ReaderOptions) -> Source:
    del staging
    file = as_text(file, ".csv", options.encoding)
    is_tsv = without_compression(file.file_name).endswith(_TSV)
    delimiter = options.delimiter or ("\t" if is_tsv else ",")
    splitter = CsvSplitter(file, CsvDialect(delimiter.encode(), options.quote.encode()))
    names = tuple(options.header or _names(splitter.header(), delimiter, options.quote))
    splitter.one_column = len(names) == 1
    columns = [f"c{number}" for number in range(1, len(names) + 1)]
    values = {
        name: SourceValue(name=name, kind=SourceKind.TEXT, sql=column)
        for name, column in zip(reversed(names), reversed(columns), strict=True)
    }

    def rows(wanted: Wanted) -> SourceRows:
        del wanted
        return SourceRows(
            chunks=lambda: read_ahead(splitter.chunks()),
            relation=_relation(columns, delimiter, options.quote),
            raw=row_as_json(list(zip(names, columns, strict=True))),
            engine_names=dict(zip(columns, names, strict=True)),
        )

    return Source(path=file.name, form=CSV, names=names, column=values.get, rows=rows, location=f"{file.name}:1")


def _names(record: str, delimiter: str, quote: str) -> list[str]:
    """Return the names of a header, none if it is empty. Raises csv.Error."""
    lines = io.StringIO(record, newline="")
    if quote:
        return next(csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=True), [])
    return next(csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE), [])


def _relation(columns: list[str], delimiter: str, quote: str) -> str:
    typed = ", ".join(f"{quote_literal(name)}: 'VARCHAR'" for name in columns)
    return (
        f"SELECT * FROM read_csv($path, columns = {{{typed}}}, auto_detect = false, header = false, "  # noqa: S608
        f"delim = {quote_literal(delimiter)}, quote = {quote_literal(quote)}, escape = {quote_literal(quote)}, "
        "nullstr = '', allow_quoted_nulls = false, strict_mode = true, "
        "new_line = '\\n', max_line_size = $size, buffer_size = $size, store_rejects = true, rejects_limit = 0, "
        f"rejects_table = {quote_literal(BROKEN)}, rejects_scan = {quote_literal(BROKEN_SCANS)})"
    )


CSV = SourceFormat(name="CSV", suffixes=(".csv", _TSV), open=_open, reports_broken_records=True)
