"""The command line: thin commands over the core, with documented exit codes."""

from __future__ import annotations

import sys
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from offtake import __version__
from offtake.cli.command_table import COMMANDS, LazyCommands
from offtake.cli.exits import EXITS, INTERRUPTED, exit_code
from offtake.cli.options import printable
from offtake.cli.usage_errors import plain_messages
from offtake.errors import OfftakeError

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter  # typer has no public names for them

_INTERRUPTED_QUERY = "Query interrupted"  # what DuckDB raises at Ctrl-C, as a RuntimeError
_HELP = """Offtake: a self-hosted export server for customer-care data.

A first run:

\b
    offtake init
    offtake tenant add acme
    offtake seed --tenant acme
    offtake credential add acme --kind oauth
    offtake serve
"""


class _Program(TyperGroup):
    """The program: its help has sections of commands and a line for each exit code, and its errors are plain."""

    def __init__(self, **options: Any) -> None:
        """Have the commands of the table."""
        super().__init__(**options)
        self.commands = LazyCommands()  # type: ignore[assignment] # typer would add to it, but only before this

    def invoke(self, ctx: Context) -> Any:
        """Run the command that the arguments name."""
        try:
            with plain_messages():
                return super().invoke(ctx)
        except (KeyboardInterrupt, RuntimeError) as error:
            if not isinstance(error, KeyboardInterrupt) and str(error) != _INTERRUPTED_QUERY:
                raise
            sys.stderr.write("offtake: interrupted\n")
            raise typer.Exit(INTERRUPTED) from error

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write one list of commands for each section."""
        for section, entries in groupby(COMMANDS.items(), lambda item: item[1].section):
            with formatter.section(section):
                formatter.write_dl([(name, entry.summary) for name, entry in entries])

    def format_epilog(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the exit codes."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXITS.items()])


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"offtake {__version__}")
        raise typer.Exit


app = typer.Typer(cls=_Program, help=_HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Replaced by the help of the program."""


def main() -> None:
    """Run a command. An OfftakeError is printed as one message on standard error and sets the exit code."""
    try:
        app(prog_name="offtake")
    except OfftakeError as error:
        sys.stderr.write(f"offtake: {printable(error.message)}\n")
        sys.exit(exit_code(error))
