"""``offtake config show``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from offtake.cli.options import DEFAULT_HOME, HomeOption
from offtake.home import Home
from offtake.settings import load_settings, masked, rows

commands = typer.Typer(help="Show the settings in force.", no_args_is_help=True, rich_markup_mode=None)


@commands.callback()
def group() -> None:
    """Show the settings in force."""


@commands.command("show")
def show(
    home: HomeOption = DEFAULT_HOME,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print every option with its value: the default, overridden by offtake.toml, overridden by the environment.

    The text form is TOML that can be pasted into offtake.toml. Secrets and passwords are masked.
    """
    settings = load_settings(Home(home).settings)
    if as_json:
        whole = settings.model_dump(mode="json")
        typer.echo(json.dumps(whole | {name: masked(value) for name, value in whole.items()}))
        return
    current = ""
    for table, option, default, description, value in rows(settings):
        if table != current:
            typer.echo(f"\n[{table}]")
            current = table
        comment = "" if value == default else f"  (default: {json.dumps(default)})"
        typer.echo(f"# {description}{comment}")
        typer.echo(f"# {option} = (not set)" if value is None else f"{option} = {json.dumps(value)}")
    for tenant, tables in settings.tenants.items():
        for table, values in tables.items():
            typer.echo(f"\n[tenants.{json.dumps(tenant)}.{table}]")
            typer.echo("\n".join(f"{option} = {json.dumps(value)}" for option, value in values.items()))
