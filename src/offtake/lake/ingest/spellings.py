"""How the values of each column type are written in files, with examples, and an example row of a table.

``parsing.py`` holds the rules; a test loads every example.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from offtake.lake.ingest.parsing import accepted_types
from offtake.lake.tables import Table, TableColumn
from offtake.model.column_type import ColumnType

Value = str | int | float | bool | list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How a value is written in files. ``examples`` are accepted in CSV."""

    csv: str
    json: str
    parquet: str
    examples: tuple[str, ...]


_WHOLE = ("digits, with - before a negative number", "number without fraction or exponent")
_WHOLE_TYPES = "any integer type; decimal or floating point with a whole value (floating point up to 2^53)"
SPELLINGS: Mapping[ColumnType, Spelling] = MappingProxyType(
    {
        ColumnType.TEXT: Spelling(csv="text", json="string", parquet="string, UUID", examples=("First line",)),
        ColumnType.ID: Spelling(
            csv="text",
            json="string, or number without fraction or exponent",
            parquet="string, UUID, any integer type, decimal without decimals",
            examples=("a-17",),
        ),
        ColumnType.INTEGER: Spelling(csv=_WHOLE[0], json=_WHOLE[1], parquet=_WHOLE_TYPES, examples=("42", "-7")),
        ColumnType.SECONDS: Spelling(
            csv=f"whole seconds: {_WHOLE[0]}", json=_WHOLE[1], parquet=_WHOLE_TYPES, examples=("90",)
        ),
        ColumnType.MILLISECONDS: Spelling(
            csv=f"whole milliseconds: {_WHOLE[0]}", json=_WHOLE[1], parquet=_WHOLE_TYPES, examples=("1500",)
        ),
        ColumnType.DECIMAL: Spelling(
            csv="finite number with a point",
            json="number",
            parquet="floating point, decimal or integer, finite",
            examples=("3.5", "-0.25", "1e3"),
        ),
        ColumnType.BOOLEAN: Spelling(
            csv="true or false, in any case", json="true or false", parquet="boolean", examples=("true", "FALSE")
        ),
        ColumnType.INSTANT: Spelling(
            csv="ISO 8601 with Z or a UTC offset, at most six decimals of a second",
            json="the same as a string",
            parquet="timestamp that is adjusted to UTC, in nanoseconds if they are whole microseconds",
            examples=("2026-03-01T08:00:00Z", "2026-03-01 09:00:00.25+01:00", "2026-03-01T08:00Z"),
        ),
        ColumnType.LIST: Spelling(
            csv="JSON array of strings", json="array of strings", parquet="list of strings", examples=('["a", "b"]',)
        ),
    }
)
_NUMBERS: Mapping[ColumnType, Value] = MappingProxyType(
    {
        ColumnType.INTEGER: 1,
        ColumnType.SECONDS: 90,
        ColumnType.MILLISECONDS: 90_000,
        ColumnType.DECIMAL: 3.5,
        ColumnType.BOOLEAN: True,
        ColumnType.INSTANT: "2026-03-01T08:00:00Z",
    }
)


def parquet_types(column_type: ColumnType) -> list[str]:
    """Return the column types of Parquet files that a load accepts, by DuckDB's names."""
    return accepted_types(column_type)


def example_row(table: Table) -> dict[str, Value]:
    """Return a row that a load accepts, with a value in every column, as in JSON."""
    return {column.name: _example(table, column) for column in table.columns}


def csv_template(table: Table) -> str:
    """Return a CSV file: the header of all columns, and the example row."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(column.name for column in table.columns)
    writer.writerow(_csv_value(value) for value in example_row(table).values())
    return file.getvalue()


def _example(table: Table, column: TableColumn) -> Value:
    if column.example is not None:
        return column.example
    if column.values:
        return column.values[0]
    if column.type in _NUMBERS:
        return _NUMBERS[column.type]
    text = _id(column) if column.type is ColumnType.ID or column.references else _text(column)
    return [text] if column.type is ColumnType.LIST else text


def _id(column: TableColumn) -> str:
    """Return an id that the example row of the referenced table has, too."""
    return f"{column.references or column.name.removesuffix('_id')}-1"


def _text(column: TableColumn) -> str:
    return "person@example.com" if "email" in column.name else f"example {column.name.replace('_', ' ')}"


def _csv_value(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, list) else str(value)
