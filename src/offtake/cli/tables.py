"""``offtake tables``: the care data model, as a load needs it."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich import box
from rich.table import Table as Grid

from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, show, show_table
from offtake.errors import UnknownName
from offtake.home import Home
from offtake.lake.tables import Table, tables
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
    from offtake.cli.table_description import column_grid, heading, readers_of, spelling_grid, table_record
    from offtake.lake.ingest.spellings import csv_template  # here, as above: `list` needs no library of the lake

    table = find_table(name)
    if template:
        typer.echo(csv_template(table), nl=False)
        return
    record = table_record(table, readers_of(table, Home(home)))
    if as_json:
        show(record, as_json, "")
        return
    typer.echo("\n".join(heading(table, record["read_by"])))
    show_table(column_grid(table))
    typer.echo("Values in CSV files; an empty field is null:")
    show_table(spelling_grid(table))
    typer.echo("An example row, as NDJSON (--csv-template prints it as CSV):\n")
    typer.echo(json.dumps(record["example"], ensure_ascii=False))


def find_table(name: str) -> Table:
    """Return a table of the model. Raises UnknownName."""
    table = tables().get(name)
    if table is None:
        raise UnknownName(f"There is no table {name}; {nearest(name, tables())}")
    return table
