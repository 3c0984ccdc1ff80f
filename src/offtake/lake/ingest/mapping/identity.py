"""The mapping of a source whose columns have the names and the notation of the table's."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from offtake.errors import LakeError
from offtake.lake.ingest.long_values import long_columns
from offtake.lake.ingest.mapping.mapped import TENANT, MappedSource
from offtake.lake.ingest.parsing import ParseExpressions, accepted_types, parse, remedy
from offtake.lake.ingest.readers.ndjson import UNKNOWN_KEY
from offtake.lake.ingest.readers.source import Source, SourceKind, SourceValue, Wanted
from offtake.lake.tables import Table, TableColumn

_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def identity(table: Table, source: Source) -> MappedSource:
    """Map each column of a source to that of the same name. Raises LakeError for a column that does not fit."""
    columns = _columns(table, source)
    expressions = {column.name: _expressions(source, column) for column in columns}
    names = [column.name for column in columns]
    long = long_columns(table)
    rows = source.rows(Wanted(columns=names, permitted=names, long=long))
    return MappedSource(
        path=source.path,
        form=source.form,
        chunks=rows.chunks,
        relation=rows.relation,
        expressions=expressions,
        raw=rows.raw,
        row_fault=rows.row_fault,
        row_column=rows.row_column,
        engine_names=rows.engine_names,
        long_columns={name: name for name in long},
        unknown_column=lambda location, name: unknown_column(table, location, name),
    )


def _columns(table: Table, source: Source) -> Sequence[TableColumn]:
    """Return the columns of a file, in its order. Raises LakeError for an unknown, repeated or missing column."""
    if source.names is None:
        return [TENANT, *table.columns]
    if not source.names:
        known = ", ".join(table.by_name)
        raise LakeError(
            f"{source.location}: the header is missing; the first line must name columns of {table.name}: {known}."
        )
    by_name = {**table.by_name, TENANT.name: TENANT}
    for index, name in enumerate(source.names):
        if name not in by_name:
            raise unknown_column(table, source.location, name)
        if name in source.names[:index]:
            raise LakeError(f"{source.location}: column {name} occurs twice; remove one.")
    missing = [name for name in table.by_name if name in table.not_null and name not in source.names]
    if missing:
        required = ", ".join(missing)
        raise LakeError(f"{source.location}: required columns of {table.name} are missing; add {required}.")
    return [by_name[name] for name in source.names]


def _expressions(source: Source, column: TableColumn) -> ParseExpressions:
    value = source.column(column.name)
    if value is None:
        raise KeyError(column.name)  # ``_columns`` returns columns of the source only
    if column is TENANT and value.kind is SourceKind.JSON:
        # A row without the tenant key gets the tenant of the load; a row with the key must name that tenant.
        value = SourceValue(name=value.name, kind=value.kind, sql=f"coalesce({value.sql}, $tenant)", json=value.json)
    parsed = parse(column.type, value)
    if parsed is None:
        raise unfit_type(source, column, value)
    return parsed


def unfit_type(source: Source, column: TableColumn, value: SourceValue) -> LakeError:
    """Return the error for a typed column whose type does not fit that of the table."""
    found = value.duckdb_type
    naive = " (without a UTC offset)" if found.startswith("TIMESTAMP") else ""
    accepted = ", ".join(accepted_types(column.type))
    return LakeError(
        f"{source.path}: column {value.name}: type {found}{naive} does not fit {column.type} values; "
        f"accepted types: {accepted}.{remedy(column.type, found)}"
    )


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
    return LakeError(f"{location}: {UNKNOWN_KEY} {name!r} of table {table.name}; {hint}")
