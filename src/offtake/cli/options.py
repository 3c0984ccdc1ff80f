"""Options shared by several commands, and output helpers. Imports nothing of the installation."""

from __future__ import annotations

import getpass
import json
import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

HOME_VARIABLE = "OFFTAKE_HOME"
HomeOption = Annotated[
    Path, typer.Option("--home", envvar=HOME_VARIABLE, help="Home folder of the installation.", show_default=True)
]
_T = TypeVar("_T")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MAX_WIDTH = 10_000  # characters
DEFAULT_HOME = Path("offtake-home")
TenantOption = Annotated[str, typer.Option("--tenant", help="Tenant that owns the data.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object on standard output.")]


def operator_name() -> str:
    """Return the login name of the user who runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in many containers
        return str(os.getuid())


def newest(listed: Sequence[_T], limit: int) -> Sequence[_T]:
    """Return at most ``limit`` of the records, newest first; say so if there are more."""
    if len(listed) > limit:
        typer.echo(f"Only the newest {limit:,} are shown; --limit shows more.", err=True)
    return listed[:limit]


def confirm_name(given: str | None, name: str, question: str) -> None:
    """Let the operator type the name at the terminal, unless ``given`` (``--confirm``) has it already.

    Raises BadParameter if another name was given, or none and there is no terminal.
    """
    if given is None:
        if not sys.stdin.isatty():
            raise typer.BadParameter(f"without a terminal, give --confirm {name}", param_hint="--confirm")
        given = typer.prompt(f"{question} Type {name} to continue", err=True)
    if given != name:
        raise typer.BadParameter(f"{given!r} is not {name!r}; nothing was changed", param_hint="--confirm")


def printable(text: str) -> str:
    """Return a text in which control characters, except line ends and tabs, are escaped as in ``\\x1b``.

    Names and values of files occur in messages; a terminal must not interpret them.
    """
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def next_command(command: str, home: Path) -> str:
    """Return the command to run next on the same home, as the operator has to type it."""
    is_found = home == Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME)
    return f"offtake {command}" + ("" if is_found else f" --home {shlex.quote(str(home))}")


def show(result: dict[str, Any], as_json: bool, text: str) -> None:
    """Print a result as JSON or as text."""
    typer.echo(json.dumps(result) if as_json else text)


def show_table(table: Table) -> None:
    """Print a table without cutting names. Only a terminal limits its width, and only if a column can wrap; piped
    output is never cut."""
    console = Console()
    if not console.is_terminal or all(column.no_wrap for column in table.columns):
        needed = console.measure(table, options=console.options.update(max_width=_MAX_WIDTH)).maximum
        console.width = max(console.width, needed)
    console.print(table)


@contextmanager
def progress_bar(title: str, counter: str) -> Iterator[Progress]:
    """Show a progress bar on standard error, if it is a terminal, while the block runs.

    ``counter`` is a format of rich's TextColumn.
    """
    columns = (
        SpinnerColumn(),
        TextColumn(title),
        BarColumn(),
        TextColumn(counter),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    # Elsewhere than on a terminal, rich would show nothing but an empty line.
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress
