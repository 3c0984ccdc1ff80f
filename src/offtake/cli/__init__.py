"""The command line: thin commands over the core, with documented exit codes."""

from __future__ import annotations

import sys

import typer

from offtake.cli import config, data, home, identity, jobs, report, server, state, sweep
from offtake.cli.exits import EXITS, exit_code
from offtake.cli.options import printable
from offtake.errors import OfftakeError

_HELP = """Offtake: a self-hosted export server for customer-care data.

A first run:

    offtake init && offtake tenant add acme && offtake seed --tenant acme
    offtake credential add acme --kind oauth --json
    offtake serve
"""
_EPILOG = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXITS.items()) + "."

app = typer.Typer(
    help=_HELP, epilog=_EPILOG, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
)
for group in (home, data, server, sweep):
    group.register(app)
app.add_typer(identity.tenants, name="tenant")
app.add_typer(identity.credentials, name="credential")
app.add_typer(jobs.commands, name="jobs")
app.add_typer(state.commands, name="state")
app.add_typer(config.commands, name="config")
app.add_typer(report.commands, name="report")


def main() -> None:
    """Run a command. An OfftakeError is printed as one message on standard error and sets the exit code."""
    try:
        app(prog_name="offtake")
    except OfftakeError as error:
        sys.stderr.write(f"offtake: {printable(error.message)}\n")
        sys.exit(exit_code(error))
