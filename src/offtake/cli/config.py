"""``offtake config show``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from offtake.cli.options import DEFAULT_HOME, HomeOption
from offtake.composition.resources import derived_resources
from offtake.core.sources.settings import SourceSettings
from offtake.home import Home
from offtake.settings import REQUIRED, load_settings, masked, rows, rows_of_table

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

    The text form is TOML that can be pasted into offtake.toml. Secrets and passwords are masked. Limits of attempts
    that are not set are derived from this machine; both forms show them.
    """
    folder = Home(home)
    settings = load_settings(folder.settings)
    resources = derived_resources(folder, settings)
    if as_json:
        typer.echo(json.dumps(masked(settings.model_dump(mode="json")) | {"attempt_resources": resources}))
        return
    current = ""
    for table, option, default, description, value in rows(settings):
        if table != current:
            typer.echo(f"\n[{table}]")
            current = table
        _print(option, default, description, value, _derived(resources, option) if table == "worker" else "not set")
    for name, source in settings.sources.items():
        typer.echo(f"\n[sources.{name}]")
        for option, default, description, value in rows_of_table(SourceSettings, source):
            _print(option, default, description, value, "not set")
    for tenant, tables in settings.tenants.items():
        for table, values in tables.items():
            typer.echo(f"\n[tenants.{json.dumps(tenant)}.{table}]")
            typer.echo("\n".join(f"{option} = {json.dumps(masked(value))}" for option, value in values.items()))


def _print(option: str, default: Any, description: str, value: Any, unset: str) -> None:
    """Print an option as TOML, with its help and, if it is another one, its default."""
    comment = "" if default in (value, REQUIRED) else f"  (default: {json.dumps(default)})"
    typer.echo(f"# {description}{comment}")
    typer.echo(f"# {option} = ({unset})" if value is None else f"{option} = {json.dumps(value)}")


def _derived(resources: Mapping[str, Any], option: str) -> str:
    """Return the value that a limit of attempts has because it is not set, and what it is derived from."""
    if option not in resources["derived"]:
        return "not set"
    source = {
        "memory_mb": _memory(resources),
        "threads": f"{resources['machine_processors']} processors and the memory of an attempt",
        "temp_mb": "the disk space that is free now",
    }[option]
    return f"not set: {resources[option]}, from {source}, for {resources['concurrent_attempts']} concurrent attempts"


def _memory(resources: Mapping[str, Any]) -> str:
    found = resources["machine_memory_mb"]
    if resources["machine_memory_is_limited"]:
        return f"the memory limit of {found} MiB of the container or service"
    return f"half of the machine's memory of {found} MiB"
