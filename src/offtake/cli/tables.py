"""``offtake tables``: the care data model, as a load needs it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich import box
from rich.markup import escape
from rich.table import Table as Grid

from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, show, show_table
from offtake.composition.catalogue import build_catalogue
from offtake.core.query import filters
from offtake.errors import UnknownName
from offtake.home import Home
from offtake.lake.ingest.spellings import SPELLINGS, csv_template, example_row, parquet_types
from offtake.lake.tables import Table, TableColumn, tables
from offtake.model.column_type import ColumnType
from offtake.settings import load_settings
from offtake.toml_reader import nearest

commands = typer.Typer(help="Show the tables that data is loaded into.", no_args_is_help=True, rich_markup_mode=None)


@commands.callback()
def group() -> None:
    """Show the tables that data is loaded into."""


@commands.command("list")
def list_tables(as_json: JsonOption = False) -> None:
    """List the tables of the care data model."""
    records = [
        {
            "table": table.name,
            "kind": table.kind.value,
            "key": list(table.key),
            "event_time": table.event_time,
            "columns": len(table.columns),
            "meaning": table.meaning,
        }
        for table in tables().values()
    ]
    if as_json:
        show({"tables": records}, as_json, "")
        return
    grid = Grid(box=box.SIMPLE)
    for heading in ("table", "kind", "key", "columns"):
        grid.add_column(heading, no_wrap=True)
    grid.add_column("meaning")
    for table in tables().values():
        grid.add_row(table.name, table.kind, ", ".join(table.key), str(len(table.columns)), table.meaning)
    show_table(grid)


@commands.command("describe")
def describe_table(
    name: Annotated[str, typer.Argument(metavar="TABLE", help="The table, as `tables list` names it.")],
    home: HomeOption = DEFAULT_HOME,
    template: Annotated[
        bool, typer.Option("--csv-template", help="Print a CSV file instead: all columns, and one example row.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Describe a table: its columns, how their values are written in files, and the reports that read it.

    The example row is one that `offtake load` accepts.
    """
    table = find_table(name)
    if template:
        typer.echo(csv_template(table), nl=False)
        return
    record = _record(table, _readers(table, Home(home)))
    if as_json:
        show(record, as_json, "")
        return
    typer.echo("\n".join(_heading(table, record["read_by"])))
    show_table(_column_grid(table))
    typer.echo("Values in CSV files; an empty field is null:")
    show_table(_spelling_grid(table))
    typer.echo("An example row, as NDJSON (--csv-template prints it as CSV):\n")
    typer.echo(json.dumps(record["example"], ensure_ascii=False))


def find_table(name: str) -> Table:
    """Return a table of the model. Raises UnknownName."""
    table = tables().get(name)
    if table is None:
        raise UnknownName(f"There is no table {name}; {nearest(name, tables())}")
    return table


def _readers(table: Table, home: Home) -> list[str]:
    """Return the names of the reports that read the table, the operator's own included."""
    reports = build_catalogue(home, load_settings(home.settings)).reports.values()
    return [
        report.name
        for report in reports
        if table.name in {use.table for use in (*report.tables, *filters.tables(report))}
    ]


def _record(table: Table, readers: list[str]) -> dict[str, Any]:
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


def _heading(table: Table, readers: list[str]) -> list[str]:
    lines = [f"{table.name}: {table.meaning}", f"Key: {', '.join(table.key)}."]
    if table.event_time:
        lines.append(f"Event time: {table.event_time}, whose UTC month is the partition.")
    lines.append(f"Reports that read it: {', '.join(readers) or 'none'}.")
    return lines


def _column_grid(table: Table) -> Grid:
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


def _spelling_grid(table: Table) -> Grid:
    grid = Grid(box=box.SIMPLE)
    for heading in ("type", "written as", "for example"):
        grid.add_column(heading, no_wrap=True)
    for column_type, spelling in SPELLINGS.items():
        if column_type in _types(table):
            grid.add_row(column_type, spelling.csv, escape("   ".join(spelling.examples)))
    return grid
