"""``offtake config show``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from offtake.cli.options import DEFAULT_HOME, HomeOption
from offtake.composition.resources import derived_resources
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

    The text form is TOML that can be pasted into offtake.toml. Secrets and passwords are masked. Limits of attempts
    that are not set are derived from this machine; both forms show them.
    """
    folder = Home(home)
    settings = load_settings(folder.settings)
    resources = derived_resources(folder, settings)
    if as_json:
        whole = settings.model_dump(mode="json")
        shown = whole | {name: masked(value) for name, value in whole.items()}
        typer.echo(json.dumps(shown | {"attempt_resources": resources}))
        return
    current = ""
    for table, option, default, description, value in rows(settings):
        if table != current:
            typer.echo(f"\n[{table}]")
            current = table
        comment = "" if value == default else f"  (default: {json.dumps(default)})"
        typer.echo(f"# {description}{comment}")
        unset = _derived(resources, option) if table == "worker" else "not set"
        typer.echo(f"# {option} = ({unset})" if value is None else f"{option} = {json.dumps(value)}")
    for tenant, tables in settings.tenants.items():
        for table, values in tables.items():
            typer.echo(f"\n[tenants.{json.dumps(tenant)}.{table}]")
            typer.echo("\n".join(f"{option} = {json.dumps(value)}" for option, value in values.items()))


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
