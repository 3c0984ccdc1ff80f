"""The description of a table for ``offtake tables describe``."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table as Grid

from offtake.composition.catalogue import build_catalogue
from offtake.core.query import filters
from offtake.home import Home
from offtake.lake.ingest.spellings import SPELLINGS, example_row, parquet_types
from offtake.lake.tables import Table, TableColumn
from offtake.model.column_type import ColumnType
from offtake.settings import load_settings


def readers_of(table: Table, home: Home) -> list[str]:
    """Return the names of the reports that read the table, the operator's own included."""
    reports = build_catalogue(home, load_settings(home.settings)).reports.values()
    return [
        report.name
        for report in reports
        if table.name in {use.table for use in (*report.tables, *filters.tables(report))}
    ]


def table_record(table: Table, readers: list[str]) -> dict[str, Any]:
    """Return the description as a JSON object."""
    return {
        "table": table.name,
        "kind": table.kind.value,
        "meaning": table.meaning,
        "key": list(table.key),
        "event_time": table.event_time,
        "columns": [_column_record(table, column) for column in table.columns],
        "spellings": {
            column_type.value: {
                "csv": spelling.csv,
                "json": spelling.json,
                "parquet": parquet_types(column_type),
                "examples": list(spelling.examples),
            }
            for column_type, spelling in SPELLINGS.items()
            if column_type in _types(table)
        },
        "read_by": readers,
        "example": example_row(table),
    }


def _column_record(table: Table, column: TableColumn) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type.value,
        "required": column.name in table.not_null,
        "key": column.name in table.key,
        "personal": column.personal,
        "references": column.references,
        "values": list(column.values),
        "minimum": column.minimum,
        "pattern": column.matches,
        "syntax": column.syntax,
        "not_before": column.not_before,
        "meaning": column.meaning,
    }


def _types(table: Table) -> set[ColumnType]:
    return {column.type for column in table.columns}


def heading(table: Table, readers: list[str]) -> list[str]:
    """Return the first lines: meaning, key, event time and readers."""
    lines = [f"{table.name}: {table.meaning}", f"Key: {', '.join(table.key)}."]
    if table.event_time:
        lines.append(f"Event time: {table.event_time}, whose UTC month is the partition.")
    lines.append(f"Reports that read it: {', '.join(readers) or 'none'}.")
    return lines


def column_grid(table: Table) -> Grid:
    """Return the columns, their types, rules and meanings."""
    grid = Grid(box=box.SIMPLE)
    grid.add_column("column", no_wrap=True)
    grid.add_column("type", no_wrap=True)
    grid.add_column("rules")
    grid.add_column("meaning")
    for column in table.columns:
        grid.add_row(column.name, column.type, escape("; ".join(_rules(table, column))), column.meaning)
    return grid


def _rules(table: Table, column: TableColumn) -> list[str]:
    """Return the rules of a column in words."""
    rules = [
        ("key", column.name in table.key),
        ("required", column.name in table.not_null),
        ("personal", column.personal),
        (f"refers to {column.references}", column.references),
        (f"one of {', '.join(column.values)}", column.values),
        (f"at least {column.minimum}", column.minimum is not None),
        (f"matches {column.matches}", column.matches),
        ("a filter expression", column.syntax),
        (f"not before {column.not_before}", column.not_before),
    ]
    return [text for text, applies in rules if applies]


def spelling_grid(table: Table) -> Grid:
    """Return how values of the table's types are written in CSV files."""
    grid = Grid(box=box.SIMPLE)
    for heading in ("type", "written as", "for example"):
        grid.add_column(heading, no_wrap=True)
    for column_type, spelling in SPELLINGS.items():
        if column_type in _types(table):
            grid.add_row(column_type, spelling.csv, escape("   ".join(spelling.examples)))
    return grid
