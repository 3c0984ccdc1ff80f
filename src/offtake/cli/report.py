"""``offtake report``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from offtake.app import build_catalogue, own_reports
from offtake.catalogue.load import Catalogue
from offtake.cli.options import DEFAULT_HOME, HomeOption, show_table
from offtake.cli.report_check import check
from offtake.cli.report_description import describe_report
from offtake.core.report_cases.case import cases_of
from offtake.core.report_cases.empty_tables import Trial, add_case, undeclared
from offtake.core.report_cases.run import fill, run_case
from offtake.errors import CatalogueError, UnknownName
from offtake.home import Home
from offtake.settings import load_settings
from offtake.wire import PRESENTATIONS

commands = typer.Typer(help="Inspect and test reports.", no_args_is_help=True, rich_markup_mode=None)


@commands.callback()
def group() -> None:
    """Inspect and test reports."""


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


@commands.command("test")
def run_cases(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Reports to test; default: all.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run the cases of your own reports, in the folders `cases/` of the reports, and say what differs.

    A case loads its rows into a temporary lake, and runs again without the rows of each table, which shows what is
    missing from the report if a table is empty (if_empty in report.toml). Nothing of the installation is read but its
    settings.
    """
    settings = load_settings(Home(home).settings)
    catalogue = build_catalogue(Home(home), settings)
    folders = own_reports(Home(home), settings)
    for name in names or ():
        if name not in folders:
            known = ", ".join(folders) or "none; see the setting catalogue.folders"
            raise UnknownName(f"There is no report {name} of your own; your reports are: {known}.")
    presentations = {name: make(settings.table(name)) for name, make in PRESENTATIONS.items()}
    records: list[dict[str, Any]] = []
    for name in names or folders:
        trials: dict[str, Trial] = {}
        cases = cases_of(name, folders[name])
        for case in cases:
            with _temporary_folder() as folder:
                records.append(_result(case.id, run_case(case, catalogue, presentations, folder), as_json=as_json))
            with _temporary_folder() as folder:
                add_case(trials, fill(case, catalogue, folder))
        differing, missing = undeclared(catalogue.reports[name], trials)
        if differing:
            records.append(_result(f"{name}/if_empty", {"report.toml": differing}, as_json=as_json))
        if missing and not as_json:
            typer.echo("\n".join([f"add to   {name}/report.toml:", *(f"    {line}," for line in missing)]))
    if as_json:
        typer.echo(json.dumps({"cases": records}, ensure_ascii=False))
    failed = sum(not record["passed"] for record in records)
    if failed:
        raise CatalogueError(f"{failed} of {len(records)} cases differ from what they expect.")
    if not records:
        raise CatalogueError(
            "There are no cases; add them in cases/<case>/ of a report (docs/reference/report-folder.md)."
        )


def _result(case: str, found: Mapping[str, list[str]], *, as_json: bool) -> dict[str, Any]:
    """Return the result of a case; print it unless it is for JSON."""
    different = {what: lines for what, lines in found.items() if lines}
    if not as_json:
        typer.echo(f"{'differs' if different else 'passed '}  {case}")
        for what, lines in different.items():
            typer.echo("\n".join([f"  {what}:", *(f"    {line}" for text in lines for line in text.split("\n"))]))
    return {"case": case, "passed": not different, "differences": different}


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="offtake-case-") as folder:
        yield Path(folder)


commands.command("describe")(describe_report)
commands.command("check")(check)


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
