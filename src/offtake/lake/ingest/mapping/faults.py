"""Faults of the columns of a source."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from offtake.errors import LakeError
from offtake.lake.ingest.mapping.definition import MappingDefinition
from offtake.lake.ingest.mapping.mapped import TENANT, UNKNOWN_COLUMN
from offtake.lake.ingest.parsing import accepted_types, remedy
from offtake.lake.ingest.readers.source import Source, SourceValue
from offtake.lake.tables import Table, TableColumn

_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFault:
    """A fault of a source as a whole: a short reason, to group by, and the message of a load that it stops."""

    column: str | None
    reason: str
    message: str


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


def unknown_column(mapping: MappingDefinition, table: Table, location: str, name: str) -> LakeError:
    """Return the error for a source column that nothing uses, with the closest name or all names."""
    if mapping.columns or mapping.ignored:
        return LakeError(
            f"{location}: no column of {table.name} is made from column {name!r}; map it, or leave it out with ignore "
            "in the mapping. --ignore-extra leaves out every such column."
        )
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
