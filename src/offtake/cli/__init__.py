"""The command line: thin commands over the core, with documented exit codes."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from offtake import __version__
from offtake.cli import (
    audit,
    config,
    erase,
    home,
    identity,
    jobs,
    lake,
    link_key,
    load,
    loads,
    mapping,
    report,
    seed,
    server,
    share,
    source_files,
    state,
    sweep,
    tables,
    tenants,
)
from offtake.cli.exits import EXITS, INTERRUPTED, exit_code
from offtake.cli.options import printable
from offtake.cli.usage_errors import plain_messages
from offtake.errors import OfftakeError

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter  # typer has no public names for them

_INTERRUPTED_QUERY = "Query interrupted"  # what DuckDB raises at Ctrl-C, as a RuntimeError
_SUMMARY_WIDTH = 160  # characters; longer than the first sentence of any command
_HELP = """Offtake: a self-hosted export server for customer-care data.

A first run:

\b
    offtake init
    offtake tenant add acme
    offtake seed --tenant acme
    offtake credential add acme --kind oauth
    offtake serve
"""
# The sections of the help, and the commands in each of them.
_SECTIONS = {
    "Set up": ("init", "config", "tenant", "credential", "link-key"),
    "Data": ("load", "mapping", "loads", "sources", "delete", "seed", "tables", "lake", "report"),
    "Run": ("serve", "worker"),
    "Operate": ("jobs", "share", "audit", "sweep", "erase", "state"),
    "Use a server": ("client",),
}


class _Program(TyperGroup):
    """The program: its help has sections of commands and a line for each exit code, and its errors are plain."""

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
        listed = dict.fromkeys(self.list_commands(ctx))
        sections = {title: [name for name in names if name in listed] for title, names in _SECTIONS.items()}
        placed = {name for names in sections.values() for name in names}
        for title, names in {**sections, "Other": [name for name in listed if name not in placed]}.items():
            if names:
                commands = [(name, self.commands[name].get_short_help_str(limit=_SUMMARY_WIDTH)) for name in names]
                with formatter.section(title):
                    formatter.write_dl(commands)

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


for group in (home, seed, load, server, sweep, erase):
    group.register(app)
app.add_typer(tenants.commands, name="tenant")
app.add_typer(identity.credentials, name="credential")
app.add_typer(link_key.commands, name="link-key")
app.command()(loads.delete)
app.add_typer(loads.commands, name="loads")
app.add_typer(jobs.commands, name="jobs")
app.add_typer(audit.commands, name="audit")
app.add_typer(state.commands, name="state")
app.add_typer(config.commands, name="config")
app.add_typer(report.commands, name="report")
app.add_typer(tables.commands, name="tables")
app.add_typer(lake.commands, name="lake")
app.add_typer(mapping.commands, name="mapping")
app.add_typer(source_files.commands, name="sources")
app.add_typer(share.commands, name="share")
if find_spec("offtake_client"):  # the extra offtake[client]
    app.add_typer(import_module("offtake_client.cli").app, name="client")


def main() -> None:
    """Run a command. An OfftakeError is printed as one message on standard error and sets the exit code."""
    try:
        app(prog_name="offtake")
    except OfftakeError as error:
        sys.stderr.write(f"offtake: {printable(error.message)}\n")
        sys.exit(exit_code(error))
