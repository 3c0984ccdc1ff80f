"""The command ``offtake-client``, which the server's own command offers as ``offtake client``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from offtake_client import __version__
from offtake_client.cli import account, exports, sql
from offtake_client.cli.exits import EXITS, INTERRUPTED, exit_code
from offtake_client.cli.output import printable
from offtake_client.errors import OfftakeError

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter  # typer has no public names for them

_HELP = """Create exports of an Offtake server and download verified files.

\b
    offtake-client login https://exports.example.com
    offtake-client reports
    offtake-client get calls --last 7d --output calls
    offtake-client verify calls
"""


class _Program(TyperGroup):
    """The program: its help has a line for each exit code, and an error is one message that says what to do."""

    def invoke(self, ctx: Context) -> Any:
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except OfftakeError as error:
            sys.stderr.write(f"offtake-client: {printable(str(error))}\n")
            raise typer.Exit(exit_code(error)) from error
        except KeyboardInterrupt:
            sys.stderr.write("offtake-client: interrupted\n")
            raise typer.Exit(INTERRUPTED) from None

    def format_epilog(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the exit codes."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXITS.items()])


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"offtake-client {__version__}")
        raise typer.Exit


app = typer.Typer(cls=_Program, help=_HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Replaced by the help of the program."""


for command in (
    account.login,
    account.logout,
    account.reports,
    account.describe,
    account.limits,
    exports.preview,
    exports.get,
    exports.jobs,
    exports.watch,
    exports.resume,
    exports.verify,
    exports.cancel,
    sql.sql,
):
    app.command()(command)


def main() -> None:
    """Run a command."""
    app(prog_name="offtake-client")
