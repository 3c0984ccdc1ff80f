"""The input files of a load: their formats, and the check of their columns against the model.

A ``SourceFile`` holds the chunks of one file, the SQL that reads a chunk (``$path``, and ``$size`` for its longest
record), the parse expressions of each column, and the raw row as JSON for the reject file. Faults of a file as a whole
raise LakeError here.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from offtake.errors import LakeError
from offtake.lake.engine_path import descriptor_path
from offtake.lake.ingest.chunks import Chunk, read_ahead
from offtake.lake.ingest.content import as_text, check_parquet, check_parquet_end
from offtake.lake.ingest.csv_chunks import CsvSplitter
from offtake.lake.ingest.inputs.compression import COMPRESSIONS, compression_of
from offtake.lake.ingest.inputs.input_file import InputFile, open_local
from offtake.lake.ingest.long_values import long_columns
from offtake.lake.ingest.ndjson_chunks import ndjson_chunks
from offtake.lake.ingest.parquet_chunks import parquet_chunks
from offtake.lake.ingest.parsing import ParseExpressions, accepted_types, parse_json, parse_text, parse_typed, remedy
from offtake.lake.staging import Staging
from offtake.lake.tables import Table, TableColumn
from offtake.model.column_type import ColumnType
from offtake.sql_text import comma_separated, quote_identifier, quote_literal

TENANT = TableColumn(name="tenant", type=ColumnType.ID, meaning="The row's tenant; optional.")
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_ENGINE_PATH = re.compile(r"/proc/self/fd/\d+(/[\w.-]+)?")
UNKNOWN_COLUMN = "unknown column"  # reason of a row fault
BROKEN = "broken"  # table of the CSV records that the engine could not parse; it appears with the first one
BROKEN_SCANS = "broken_scans"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One open input file of a load; ``path`` is only for messages."""

    path: Path
    form: FileFormat
    chunks: Callable[[], Iterator[Chunk]]
    relation: str  # SQL: SELECT of a chunk's rows
    expressions: Mapping[str, ParseExpressions]  # by column
    raw: str  # SQL: the row as JSON text
    row_fault: str  # SQL: why a row as a whole cannot be read, or NULL
    row_column: str = "NULL"  # SQL: the column that ``row_fault`` concerns


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """A file format that ``load`` accepts, recognised by the suffix of the file name."""

    name: str
    suffixes: tuple[str, ...]
    open: Callable[[Staging, Table, InputFile], SourceFile]


@contextmanager
def open_source(staging: Staging, table: Table, path: Path) -> Iterator[SourceFile]:
    """Open an input file, which stays open while the block reads it.

    Raises LakeError if its format, its columns or their types do not fit the table, and for any error while it is read.
    """
    form = file_format(path)
    with open_local(path) as file, unreadable(path):
        yield form.open(staging, table, file)


def file_format(path: Path) -> FileFormat:
    """Return the format that the name of a file tells. Raises LakeError."""
    name = path.name.lower().removesuffix(compression_of(path.name) or "")
    for form in FILE_FORMATS:
        if name.endswith(form.suffixes):
            return form
    suffixes = ", ".join(suffix for form in FILE_FORMATS for suffix in form.suffixes)
    raise LakeError(
        f"{path}: unknown file format; the file name must end with one of {suffixes}, and may have "
        f"{' or '.join(COMPRESSIONS)} after it."
    )


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Translate errors while reading an input file into LakeError that names the file."""
    try:
        yield
    except (duckdb.Error, OSError, UnicodeError, csv.Error, EOFError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        # The engine knows the file by a descriptor (``inputs.py``) or as a piece of it (``staging.py``).
        fault = _ENGINE_PATH.sub(lambda _: str(path), lines[0])
        raise LakeError(f"{path}: the file cannot be read: {fault}") from error


def _csv_source(staging: Staging, table: Table, file: InputFile) -> SourceFile:
    del staging
    file = as_text(file, ".csv")
    splitter = CsvSplitter(file)
    names = _csv_header(table, Path(file.name), splitter.header())
    splitter.one_column = len(names) == 1
    columns = _checked_columns(table, names, f"{file.name}:1")
    typed = ", ".join(f"{quote_literal(name)}: 'VARCHAR'" for name in names)
    relation = (
        f"SELECT * FROM read_csv($path, columns = {{{typed}}}, auto_detect = false, header = false, delim = ',', "  # noqa: S608
        "quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false, strict_mode = true, "
        "new_line = '\\n', max_line_size = $size, buffer_size = $size, store_rejects = true, rejects_limit = 0, "
        f"rejects_table = {quote_literal(BROKEN)}, rejects_scan = {quote_literal(BROKEN_SCANS)})"
    )
    expressions = {column.name: parse_text(column.type, quote_identifier(column.name)) for column in columns}
    return SourceFile(
        path=Path(file.name),
        form=CSV,
        chunks=lambda: read_ahead(splitter.chunks()),
        relation=relation,
        expressions=expressions,
        raw=_row_as_json(names),
        row_fault="NULL",
    )


def _csv_header(table: Table, path: Path, record: str) -> list[str]:
    header = next(csv.reader(io.StringIO(record, newline=""), strict=True), None)
    if not header:
        known = ", ".join(table.by_name)
        raise LakeError(f"{path}:1: the header is missing; the first line must name columns of {table.name}: {known}.")
    return header


def _parquet_source(staging: Staging, table: Table, file: InputFile) -> SourceFile:
    path = Path(file.name)
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
    expressions = {}
    for column in _checked_columns(table, list(types), str(path)):
        parsed = parse_typed(column.type, quote_identifier(column.name), types[column.name])
        if parsed is None:
            raise _unfit_type(path, column, types[column.name])
        expressions[column.name] = parsed
    return SourceFile(
        path=path,
        form=PARQUET,
        chunks=lambda: parquet_chunks(staging, file.name, stored, types),
        relation=relation,
        expressions=expressions,
        raw=_row_as_json(list(types)),
        row_fault="NULL",
    )


def _unfit_type(path: Path, column: TableColumn, found: str) -> LakeError:
    naive = " (without a UTC offset)" if found.startswith("TIMESTAMP") else ""
    accepted = ", ".join(accepted_types(column.type))
    return LakeError(
        f"{path}: column {column.name}: type {found}{naive} does not fit {column.type} values; "
        f"accepted types: {accepted}.{remedy(column.type, found)}"
    )


def _ndjson_source(staging: Staging, table: Table, file: InputFile) -> SourceFile:
    del staging
    file = as_text(file, ".ndjson")
    columns = [TENANT, *table.columns]
    paths = ", ".join(quote_literal(f'$."{column.name}"') for column in columns)
    values = [f"nullif(_values[{n}], 'null'::JSON) AS {_as_json(column)}" for n, column in enumerate(columns, start=1)]
    texts = [f"({_as_json(column)} ->> '$') AS {quote_identifier(column.name)}" for column in columns]
    relation = (
        f"SELECT *,\n    {comma_separated(texts)}\nFROM (SELECT _json, _keys,\n    {comma_separated(values)}\n"
        f"FROM (SELECT json AS _json, json_extract(json, [{paths}]) AS _values,\n"
        "    CASE WHEN json_type(json) = 'OBJECT' THEN json_keys(json) END AS _keys\n"
        "FROM read_ndjson_objects($path, ignore_errors = true, maximum_object_size = $size)))"
    )
    known = ", ".join(quote_literal(column.name) for column in columns)
    unknown = f"list_filter(_keys, lambda key: NOT list_contains([{known}], key))[1]"
    fault = (
        "CASE WHEN _json IS NULL THEN 'the line is not JSON' WHEN _keys IS NULL THEN 'the line is not a JSON object' "
        f"WHEN NOT list_has_all([{known}], _keys) THEN {quote_literal(UNKNOWN_COLUMN)} "
        "WHEN len(_keys) <> len(list_distinct(_keys)) THEN 'the object has a key twice' END"
    )
    expressions = {
        column.name: parse_json(column.type, quote_identifier(column.name), _as_json(column)) for column in columns[1:]
    }
    # A row without the tenant key gets the tenant of the load; a row with the key must name that tenant.
    expressions[TENANT.name] = parse_json(
        TENANT.type, f"coalesce({quote_identifier(TENANT.name)}, $tenant)", _as_json(TENANT)
    )
    return SourceFile(
        path=Path(file.name),
        form=NDJSON,
        chunks=lambda: read_ahead(ndjson_chunks(file, long_columns(table))),
        relation=relation,
        expressions=expressions,
        raw="CAST(_json AS VARCHAR)",
        row_fault=fault,
        row_column=unknown,
    )


def _as_json(column: TableColumn) -> str:
    return quote_identifier(f"{column.name} as json")


def _row_as_json(names: Sequence[str]) -> str:
    """Return SQL for the raw row as JSON, every value as text, for the reject file."""
    fields = ", ".join(f"{quote_identifier(name)} := CAST({quote_identifier(name)} AS VARCHAR)" for name in names)
    return f"CAST(to_json(struct_pack({fields})) AS VARCHAR)"


def _checked_columns(table: Table, names: Sequence[str], location: str) -> list[TableColumn]:
    """Return the columns of a file, in its order. Raises LakeError for an unknown, repeated or missing column."""
    by_name = {**table.by_name, TENANT.name: TENANT}
    for index, name in enumerate(names):
        if name not in by_name:
            raise unknown_column(table, location, name)
        if name in names[:index]:
            raise LakeError(f"{location}: column {name} occurs twice; remove one.")
    missing = [name for name in table.by_name if name in table.not_null and name not in names]
    if missing:
        required = ", ".join(missing)
        raise LakeError(f"{location}: required columns of {table.name} are missing; add {required}.")
    return [by_name[name] for name in names]


def unknown_column(table: Table, location: str, name: str) -> LakeError:
    """Return the error for a column that the table does not have, with the closest name or all names."""
    known = [*table.by_name, TENANT.name]
    for delimiter, word in _OTHER_DELIMITERS.items():
        if all(part in known for part in name.split(delimiter)):
            return LakeError(
                f"{location}: the fields are separated by {word}; only commas are accepted. Write the file again with "
                "commas between the fields, and quotes around fields that contain a comma."
            )
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"the columns are: {', '.join(known)}."
    return LakeError(f"{location}: {UNKNOWN_COLUMN} {name!r} of table {table.name}; {hint}")


CSV = FileFormat(name="CSV", suffixes=(".csv",), open=_csv_source)
NDJSON = FileFormat(name="NDJSON", suffixes=(".ndjson", ".jsonl"), open=_ndjson_source)
PARQUET = FileFormat(name="Parquet", suffixes=(".parquet",), open=_parquet_source)
FILE_FORMATS = (CSV, NDJSON, PARQUET)
