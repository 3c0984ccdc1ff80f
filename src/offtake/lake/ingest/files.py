"""The files a load reads: their formats, and their columns checked against the model.

A ``SourceFile`` is one opened file: the SQL that reads it (path bound as ``$path``), how each column is parsed, and the
raw row as JSON for the reject file. Whatever is wrong with a file as a whole is a LakeError from here.
"""

from __future__ import annotations

import csv
import difflib
import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from offtake.errors import LakeError
from offtake.lake.ingest.parsing import ParseExpressions, read_json, read_text, read_typed
from offtake.lake.sqltext import comma, literal, quoted
from offtake.lake.tables import Table, TableColumn
from offtake.model.report import ColumnType

TENANT = TableColumn(name="tenant", type=ColumnType.ID, meaning="The tenant a row is for; may be left out.")
UNKNOWN_COLUMN = "is not a column of this table"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file of a load; ``number`` is its place in the call, ``rows_have`` how its records can be located again."""

    path: Path
    number: int
    form: FileFormat
    relation: str
    readings: Mapping[str, ParseExpressions]
    raw: str
    row_fault: str  # SQL: why a whole row cannot be read, or NULL
    row_column: str = "NULL"  # SQL: the column to name with it


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """A file format that can be loaded."""

    name: str
    suffixes: tuple[str, ...]
    open: Callable[[duckdb.DuckDBPyConnection, Table, Path, int], SourceFile]


def open_source(connection: duckdb.DuckDBPyConnection, table: Table, path: Path, number: int) -> SourceFile:
    """The file as a source. Raises LakeError if its kind, its columns or their types do not fit the table."""
    for form in FILE_FORMATS:
        if path.name.lower().endswith(form.suffixes):
            break
    else:
        known = ", ".join(suffix for form in FILE_FORMATS for suffix in form.suffixes)
        raise LakeError(f"{path}: unknown kind of file; the name must end with one of {known}.")
    if not path.is_file():
        raise LakeError(f"{path}: no such file.")
    with unreadable(path):
        return form.open(connection, table, path, number)


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Errors of reading an input file as a whole become LakeError, named after the file."""
    try:
        yield
    except (duckdb.Error, OSError, UnicodeError, csv.Error, EOFError) as error:
        first = str(error).strip().splitlines() or [type(error).__name__]
        advice = " Use one kind of line end throughout." if "state machine" in first[0] else ""
        raise LakeError(f"{path}: cannot be read: {first[0]}{advice}") from error


def _csv_source(connection: duckdb.DuckDBPyConnection, table: Table, path: Path, number: int) -> SourceFile:
    names = _csv_header(path)
    columns = _checked(table, names, path)
    typed = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    relation = (
        f"SELECT * FROM read_csv($path, columns = {{{typed}}}, auto_detect = false, header = true, delim = ',', "  # noqa: S608
        "quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false, strict_mode = true, "
        f"max_line_size = 16777216, store_rejects = true, rejects_limit = 0, "
        f"rejects_table = 'broken_{number}', rejects_scan = 'broken_scan_{number}')"
    )
    readings = {column.name: read_text(column.type, quoted(column.name)) for column in columns}
    return SourceFile(
        path=path,
        number=number,
        form=CSV,
        relation=relation,
        readings=readings,
        raw=_row_as_json(names),
        row_fault="NULL",
    )


def _csv_header(path: Path) -> list[str]:
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as lines:
        header = next(csv.reader(lines, strict=True), None)
    if not header:
        raise LakeError(f"{path}: the first line must name the columns.")
    return header


def _parquet_source(connection: duckdb.DuckDBPyConnection, table: Table, path: Path, number: int) -> SourceFile:
    relation = "SELECT * FROM read_parquet($path, hive_partitioning = false)"
    described = connection.execute(f"DESCRIBE {relation}", {"path": str(path)}).fetchall()
    types = {str(row[0]): str(row[1]) for row in described}
    readings = {}
    for column in _checked(table, list(types), path):
        reading = read_typed(column.type, quoted(column.name), types[column.name])
        if reading is None:
            naive = " (without an offset from UTC)" if types[column.name].startswith("TIMESTAMP") else ""
            found = f"has type {types[column.name]}{naive}, which cannot hold {column.type} values"
            raise LakeError(f"{path}: column {column.name} {found}.")
        readings[column.name] = reading
    return SourceFile(
        path=path,
        number=number,
        form=PARQUET,
        relation=relation,
        readings=readings,
        raw=_row_as_json(list(types)),
        row_fault="NULL",
    )


def _ndjson_source(connection: duckdb.DuckDBPyConnection, table: Table, path: Path, number: int) -> SourceFile:
    columns = [TENANT, *table.columns]
    paths = ", ".join(literal(f'$."{column.name}"') for column in columns)
    values = [f"nullif(_values[{n}], 'null'::JSON) AS {_as_json(column)}" for n, column in enumerate(columns, start=1)]
    texts = [f"({_as_json(column)} ->> '$') AS {quoted(column.name)}" for column in columns]
    relation = (
        f"SELECT *,\n    {comma(texts)}\nFROM (SELECT _json, _keys,\n    {comma(values)}\n"
        f"FROM (SELECT json AS _json, json_extract(json, [{paths}]) AS _values,\n"
        "    CASE WHEN json_type(json) = 'OBJECT' THEN json_keys(json) END AS _keys\n"
        "FROM read_ndjson_objects($path, ignore_errors = true)))"
    )
    known = ", ".join(literal(column.name) for column in columns)
    unknown = f"list_filter(_keys, lambda key: NOT list_contains([{known}], key))[1]"
    fault = (
        "CASE WHEN _json IS NULL THEN 'is not JSON' WHEN _keys IS NULL THEN 'is not a JSON object' "
        f"WHEN NOT list_has_all([{known}], _keys) THEN {literal(UNKNOWN_COLUMN)} "
        "WHEN len(_keys) <> len(list_distinct(_keys)) THEN 'names a column twice' END"
    )
    readings = {column.name: read_json(column.type, quoted(column.name), _as_json(column)) for column in columns[1:]}
    # A file without the key anywhere is fine, a null tenant is not: only rows that name a tenant are compared.
    readings[TENANT.name] = read_json(TENANT.type, f"coalesce({quoted(TENANT.name)}, $tenant)", _as_json(TENANT))
    return SourceFile(
        path=path,
        number=number,
        form=NDJSON,
        relation=relation,
        readings=readings,
        raw="CAST(_json AS VARCHAR)",
        row_fault=fault,
        row_column=unknown,
    )


def _as_json(column: TableColumn) -> str:
    return quoted(f"{column.name} as json")


def _row_as_json(names: Sequence[str]) -> str:
    """The row as its file has it, every value as text, for the reject file."""
    fields = ", ".join(f"{quoted(name)} := CAST({quoted(name)} AS VARCHAR)" for name in names)
    return f"CAST(to_json(struct_pack({fields})) AS VARCHAR)"


def _checked(table: Table, names: Sequence[str], path: Path) -> list[TableColumn]:
    """The model's columns that the file has, in its order. Raises LakeError for an unknown, doubled or missing one."""
    by_name = {**table.by_name, TENANT.name: TENANT}
    for place, name in enumerate(names):
        if name not in by_name:
            raise unknown_column(table, path, name)
        if name in names[:place]:
            raise LakeError(f"{path}: column {name} occurs twice.")
    for column in table.columns:
        if column.name in table.must_have and column.name not in names:
            raise LakeError(f"{path}: column {column.name} is required and missing.")
    return [by_name[name] for name in names]


def unknown_column(table: Table, path: Path, name: str) -> LakeError:
    """The error for a name the model does not have, with the name that might have been meant."""
    near = difflib.get_close_matches(name, [*table.by_name, TENANT.name], n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    return LakeError(f"{path}: {name} {UNKNOWN_COLUMN} ({table.name}){hint}")


CSV = FileFormat(name="CSV", suffixes=(".csv", ".csv.gz"), open=_csv_source)
NDJSON = FileFormat(name="NDJSON", suffixes=(".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz"), open=_ndjson_source)
PARQUET = FileFormat(name="Parquet", suffixes=(".parquet",), open=_parquet_source)
FILE_FORMATS = (CSV, NDJSON, PARQUET)
