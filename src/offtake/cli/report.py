"""``offtake report list``."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from offtake.app import build_catalogue
from offtake.catalogue.load import Catalogue
from offtake.cli.options import DEFAULT_HOME, HomeOption, show_table
from offtake.home import Home
from offtake.settings import load_settings

commands = typer.Typer(help="Inspect the report catalogue.", no_args_is_help=True, rich_markup_mode=None)


@commands.callback()
def group() -> None:
    """Inspect the report catalogue."""


@commands.command("list")
def list_reports(
    home: HomeOption = DEFAULT_HOME,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check all reports, your own included, and list them with the names under which dialects publish them.

    An invalid report is reported with file, line and remedy, and nothing is listed; the server would not start either.
    """
    catalogue = build_catalogue(Home(home), load_settings(Home(home).settings))
    reports = _report_records(catalogue)
    if as_json:
        typer.echo(json.dumps({"reports": reports}, ensure_ascii=False))
        return
    table = Table(box=box.SIMPLE)
    for heading in ("report", "published as", "columns"):
        table.add_column(heading, no_wrap=True)
    table.add_column("one row per")
    for report in reports:
        published = "\n".join(f"{dialect} {slug}" for dialect, slug in report["slugs"].items())
        table.add_row(report["name"], published, str(len(report["columns"])), report["grain"])
    show_table(table)


def _report_records(catalogue: Catalogue) -> list[dict[str, Any]]:
    publications = sorted(catalogue.publications.items())
    return [
        {
            "name": report.name,
            "title": report.title,
            "grain": report.grain.removeprefix("One row per ").removesuffix("."),
            "slugs": {dialect: item.slug for (dialect, name), item in publications if name == report.name},
            "parameters": list(report.parameters),
            "columns": [column.name for column in report.columns],
        }
        for report in catalogue.reports.values()
    ]
