"""Options that several commands have, and how a command opens an installation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from offtake.app import build_services
from offtake.core.services import Services
from offtake.home import Home
from offtake.logs import configure_logs
from offtake.settings import load_settings

HomeOption = Annotated[
    Path, typer.Option("--home", envvar="OFFTAKE_HOME", help="Home folder of the installation.", show_default=True)
]
_WIDEST = 10_000  # columns of text
DEFAULT_HOME = Path("offtake-home")
TenantOption = Annotated[str, typer.Option("--tenant", help="The tenant whose data it is.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object on standard output.")]


def open_home(path: Path) -> Services:
    """The services of an installation, for a command that works on it and ends."""
    home = Home(path)
    home.require()
    settings = load_settings(home.settings)
    configure_logs("warning")
    return build_services(home, settings)


def show(result: dict[str, Any], as_json: bool, text: str) -> None:
    """Print a result for a program or for a person."""
    typer.echo(json.dumps(result) if as_json else text)


def show_table(table: Table) -> None:
    """Print a table in which no name is cut. Only a terminal bounds its width, and only where columns can be wrapped;
    what is piped into ``grep`` is whole."""
    console = Console()
    if not console.is_terminal or all(column.no_wrap for column in table.columns):
        needed = console.measure(table, options=console.options.update(max_width=_WIDEST)).maximum
        console.width = max(console.width, needed)
    console.print(table)


@contextmanager
def bar(what: str, shown: str) -> Iterator[Progress]:
    """A progress bar on standard error; results go to standard output."""
    columns = (
        SpinnerColumn(),
        TextColumn(what),
        BarColumn(),
        TextColumn(shown),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield progress
