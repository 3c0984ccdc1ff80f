"""Faults of the columns of a source, and of what a mapping makes from them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from offtake.errors import LakeError
from offtake.lake.ingest.mapping.columns import NAIVE_TYPES
from offtake.lake.ingest.mapping.definition import MappingDefinition
from offtake.lake.ingest.mapping.mapped import TENANT, UNKNOWN_COLUMN
from offtake.lake.ingest.parsing import accepted_types, remedy
from offtake.lake.ingest.readers.source import Source, SourceValue
from offtake.lake.tables import Table, TableColumn
from offtake.model.column_type import ColumnType
from offtake.toml_reader import nearest

_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars", ",": "commas"}
_NO_FUNCTION = re.compile(r"No function matches the given name and argument types '(?P<name>.+?)\((?P<types>.*)\)'")
_ERROR_CLASS = re.compile(r"^\w+ Error: ")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFault:
    """A fault of a source as a whole: a short reason, to group by, and the message of a load that it stops."""

    column: str | None
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionUse:
    """An expression of a mapping, and what it is for."""

    text: str
    column: str | None  # that it makes; None: it is about rows
    keys: Sequence[str]  # of the mapping, where it is written
    location: str
    noun: str  # such as "the filter"

    def fault(self, reason: str) -> SourceFault:
        """Return the fault of the expression."""
        return SourceFault(
            column=self.column,
            reason=f"{self.location}: {self.noun} {reason}",
            message=f"{self.location}: {self.noun} {self.text} {reason}",
        )


def twice(source: Source, name: str) -> SourceFault:
    """Return the fault of a column that is used and occurs twice."""
    message = f"{source.location}: column {name} occurs twice; remove one."
    return SourceFault(column=name, reason="column occurs twice", message=message)


def unfit_type(source: Source, column: TableColumn, value: SourceValue) -> SourceFault:
    """Return the fault of a typed column whose type does not fit that of the table."""
    found = value.duckdb_type
    naive = " (without a UTC offset)" if found.startswith("TIMESTAMP") else ""
    accepted = ", ".join(accepted_types(column.type))
    return SourceFault(
        column=column.name,
        reason=f"type {found} does not fit",
        message=(
            f"{source.path}: column {value.name}: type {found}{naive} does not fit {column.type} values; "
            f"accepted types: {accepted}.{remedy(column.type, found)}"
        ),
    )


def unfit_expression(use: ExpressionUse, column: TableColumn, found: str) -> SourceFault:
    """Return the fault of an expression whose type does not fit that of the table."""
    accepted = ", ".join(accepted_types(column.type))
    is_naive = column.type is ColumnType.INSTANT and found in NAIVE_TYPES
    hint = ' Add its zone, such as zone = "Europe/Prague".' if is_naive else ""
    return use.fault(f"gives {found}, which does not fit {column.type} values; accepted types: {accepted}.{hint}")


def uncomputable(use: ExpressionUse, values: Mapping[str, SourceValue], error: str) -> SourceFault:
    """Return the fault of an expression that the engine refuses; ``error`` is the engine's message."""
    text = _ERROR_CLASS.sub("", error.strip().splitlines()[0]).replace("_LITERAL", "")
    found = _NO_FUNCTION.search(text)
    reason = f"{found['name']} does not accept {found['types']}" if found else text.rstrip(".")
    types = ", ".join(f"{name} is {value.duckdb_type}" for name, value in values.items())
    columns = f" ({types}; CAST and TRY_CAST change a type)" if types else ""
    return use.fault(f"cannot be computed: {reason}{columns}.")


def missing_column(
    mapping: MappingDefinition, source: Source, name: str, column: str | None, keys: Sequence[str]
) -> SourceFault:
    """Return the fault of a source column that the rule at ``keys`` of the mapping uses and the source lacks."""
    use = f"makes {column} from" if column else "selects rows by"
    hint = nearest(name, source.names or (), introduction="it has")
    location = mapping.location(*keys)
    return SourceFault(
        column=column,
        reason=f"{location}: column {name!r} is missing",
        message=f"{location}: the mapping {use} column {name!r}, which {source.location} does not have; {hint}",
    )


def unused_column(mapping: MappingDefinition, table: Table, source: Source, name: str) -> SourceFault:
    """Return the fault of a column of a header that nothing uses."""
    delimiter = _other_delimiter(table, name, is_only=len(source.names or ()) == 1)
    if delimiter is not None:
        return SourceFault(column=name, reason=delimiter, message=f"{source.location}: {delimiter}")
    close = None if _maps(mapping) else _closest(table, name)
    reason = f"{UNKNOWN_COLUMN}; did you mean {close!r}?" if close else UNKNOWN_COLUMN
    message = unknown_column(mapping, table, source.location, name).message
    return SourceFault(column=name, reason=reason, message=message)


def unknown_column(mapping: MappingDefinition, table: Table, location: str, name: str) -> LakeError:
    """Return the error for a source column or key that nothing uses, with the closest name or all names."""
    if _maps(mapping):
        return LakeError(
            f"{location}: no column of {table.name} is made from column {name!r}; map it, or leave it out with ignore "
            "in the mapping. --ignore-extra leaves out every such column."
        )
    close = _closest(table, name)
    hint = f"did you mean {close!r}?" if close else f"the columns are: {', '.join(_known(table))}."
    return LakeError(f"{location}: {UNKNOWN_COLUMN} {name!r} of table {table.name}; {hint}")


def _maps(mapping: MappingDefinition) -> bool:
    return bool(mapping.columns or mapping.ignored)


def _known(table: Table) -> list[str]:
    return [*table.by_name, TENANT.name]


def _closest(table: Table, name: str) -> str | None:
    return next(iter(difflib.get_close_matches(name, _known(table), n=1)), None)


def _other_delimiter(table: Table, name: str, *, is_only: bool) -> str | None:
    """Return the remedy if a header is one field because its fields are separated by another mark."""
    for delimiter, word in _OTHER_DELIMITERS.items():
        parts = name.split(delimiter)
        if len(parts) > 1 and (is_only or all(part in _known(table) for part in parts)):
            shown = delimiter.replace("\t", "\\t")
            return (
                f"the fields are separated by {word}; add --delimiter '{shown}', or delimiter = "
                f'"{shown}" to [source] of the mapping.'
            )
    return None
