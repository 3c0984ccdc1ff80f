"""``offtake report describe``."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich import box
from rich.markup import escape
from rich.table import Table as Grid

from offtake.catalogue.load import Catalogue
from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, show, show_table
from offtake.composition.catalogue import build_catalogue
from offtake.core.exports.notices import consequence
from offtake.core.query import filters
from offtake.errors import UnknownName
from offtake.home import Home
from offtake.model.report import Prune, Report, TableUse
from offtake.model.typed_values import TYPED_VALUES
from offtake.settings import load_settings
from offtake.toml_reader import nearest
from offtake.wire.native.requests import public_parameters
from offtake.wire.native.schema import parameter_schema

ReportArgument = Annotated[str, typer.Argument(metavar="NAME", help="The report, as `report list` names it.")]
_READS = {
    Prune.WINDOW: "months of the timespan",
    Prune.UNTIL: "months before the end of the timespan",
    Prune.ALL: "all",
}
_OF_FILTERS = "Read only for the parameters smart_view_id and business_hours."


def describe_report(name: ReportArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Describe a report: its rows, columns and parameters, the tables that it reads, and what happens if one is empty.

    What happens is that of a request without parameters. The cases of the report show it.
    """
    catalogue = build_catalogue(Home(home), load_settings(Home(home).settings))
    report = find_report(name, catalogue)
    record = _record(report, catalogue)
    if as_json:
        show(record, as_json, "")
        return
    published = ", ".join(f"{dialect} as {slug}" for dialect, slug in record["dialects"].items())
    window = f"The timespan selects by {report.window}." if report.window else "The timespan bounds what is counted."
    typer.echo(f"{report.name}: {report.title}\n{report.grain}\n{window}")
    typer.echo("\n".join(filter(None, [report.consecutive, f"Key: {', '.join(report.key)}.", f"In {published}."])))
    show_table(_column_grid(report))
    if record["parameters"]:
        typer.echo("Parameters, each of which is optional:")
        show_table(_rows_grid(("parameter", "meaning"), [list(each.values()) for each in record["parameters"]]))
    typer.echo("Tables that it reads:")
    tables = [[each["table"], each["reads"], each["consequence"]] for each in record["tables"]]
    show_table(_rows_grid(("table", "what is read", "if it is empty"), tables))


def find_report(name: str, catalogue: Catalogue) -> Report:
    """Return a report. Raises UnknownName."""
    report = catalogue.reports.get(name)
    if report is None:
        raise UnknownName(f"There is no report {name}; {nearest(name, catalogue.reports)}")
    return report


def _record(report: Report, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "report": report.name,
        "title": report.title,
        "grain": report.grain,
        "window": report.window,
        "consecutive": report.consecutive,
        "key": list(report.key),
        "version": report.version,
        "dialects": {
            dialect: item.slug
            for (dialect, published), item in sorted(catalogue.publications.items())
            if published == report.name
        },
        "parameters": [
            {"name": name, "meaning": str(parameter_schema(name).get("description", ""))}
            for name in public_parameters(report)
        ],
        "columns": [
            {
                "name": column.name,
                "type": column.type.value,
                "unit": TYPED_VALUES[column.type].unit,
                "nullable": column.nullable,
                "key": column.name in report.key,
                "personal": column.personal,
                "meaning": column.meaning,
            }
            for column in report.columns
        ],
        "tables": [
            *(_table_record(use, consequence(use.if_empty)) for use in report.tables),
            *(_table_record(use, _OF_FILTERS) for use in filters.tables(report)),
        ],
    }


def _table_record(use: TableUse, text: str) -> dict[str, Any]:
    found = use.if_empty
    return {
        "table": use.table,
        "reads": _READS[use.prune],
        "if_empty": found and {"rows": found.rows.value, "null": list(found.null), "other": list(found.other)},
        "consequence": text,
    }


def _column_grid(report: Report) -> Grid:
    rows = []
    for column in report.columns:
        marks = [("key", column.name in report.key), ("never null", not column.nullable), ("personal", column.personal)]
        rules = ", ".join(mark for mark, applies in marks if applies)
        rows.append([column.name, column.type.value, rules, column.meaning])
    return _rows_grid(("column", "type", "rules", "meaning"), rows)


def _rows_grid(headings: tuple[str, ...], rows: list[list[str]]) -> Grid:
    """Return a grid whose last column may wrap."""
    grid = Grid(box=box.SIMPLE)
    for heading in headings:
        grid.add_column(heading, no_wrap=heading != headings[-1])
    for row in rows:
        grid.add_row(*map(escape, row))
    return grid
