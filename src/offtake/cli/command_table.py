"""The commands, and where each of them is. A command's module is imported when the command runs or shows its help.

The modules of commands import most of the program, which takes longer than many commands; the help of the program and
``--version`` need none of them. So the summaries are here too: the first sentence of the command's own help.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import typer
from typer.main import get_command, get_group

if TYPE_CHECKING:
    from typer._click import Command  # typer has no public name for it


class CommandEntry(NamedTuple):
    """A command, or a group of commands."""

    section: str  # of the program's help
    target: str  # "module:attribute": a function, or the Typer of a group
    summary: str  # the first sentence of its own help


_COMMANDS: Mapping[str, CommandEntry] = {
    "init": CommandEntry(
        "Set up",
        "offtake.cli.home:init",
        "Create a home folder: settings, database, lake, artifacts, and a new key that signs download links.",
    ),
    "config": CommandEntry("Set up", "offtake.cli.config:commands", "Show the settings in force."),
    "tenant": CommandEntry("Set up", "offtake.cli.tenants:commands", "Manage tenants: isolated customers."),
    "credential": CommandEntry(
        "Set up", "offtake.cli.identity:credentials", "Manage credentials, with which clients authenticate."
    ),
    "link-key": CommandEntry("Set up", "offtake.cli.link_key:commands", "Manage the keys that sign download links."),
    "load": CommandEntry("Data", "offtake.cli.load:load", "Load files into a table by upsert on its key."),
    "mapping": CommandEntry("Data", "offtake.cli.mapping:commands", "Map columns of files to ours."),
    "loads": CommandEntry("Data", "offtake.cli.loads:commands", "List, show and undo loads of all tenants."),
    "sources": CommandEntry("Data", "offtake.cli.source_files:commands", "Inspect unattended sources and their files."),
    "delete": CommandEntry(
        "Data", "offtake.cli.loads:delete", "Delete rows of a table by their keys or by a filter expression."
    ),
    "seed": CommandEntry("Data", "offtake.cli.seed:seed", "Fill every table with consistent sample data."),
    "tables": CommandEntry("Data", "offtake.cli.tables:commands", "Show the tables that data is loaded into."),
    "lake": CommandEntry("Data", "offtake.cli.lake:commands", "Inspect the lake."),
    "report": CommandEntry("Data", "offtake.cli.report:commands", "Inspect and test reports."),
    "serve": CommandEntry(
        "Run",
        "offtake.cli.server:serve",
        "Serve the APIs and run exports until SIGTERM or Ctrl-C; then drain downloads and running exports.",
    ),
    "worker": CommandEntry(
        "Run",
        "offtake.cli.server:worker",
        "Run exports without serving the APIs: an additional worker on the same home.",
    ),
    "jobs": CommandEntry("Operate", "offtake.cli.jobs:commands", "Inspect and manage jobs of all tenants."),
    "share": CommandEntry("Operate", "offtake.cli.share:commands", "Share exports by Delta Sharing."),
    "audit": CommandEntry("Operate", "offtake.cli.audit:commands", "Read the audit log."),
    "sweep": CommandEntry(
        "Operate",
        "offtake.cli.sweep:sweep",
        "Remove files whose retention has ended and files that no job refers to, as the maintenance loop does "
        "regularly.",
    ),
    "erase": CommandEntry(
        "Operate",
        "offtake.cli.erase:erase",
        "Erase a person: rows, files of exports, filters of stored requests, and the old versions of the lake.",
    ),
    "state": CommandEntry(
        "Operate", "offtake.cli.state:commands", "Manage the database of jobs, identity and audit log."
    ),
    "client": CommandEntry(
        "Use a server",
        "offtake_client.cli:app",
        "Create exports of an Offtake server and download verified files.",
    ),
}
# Without those of packages that are not installed: the client is the extra offtake[client].
COMMANDS = {name: entry for name, entry in _COMMANDS.items() if find_spec(entry.target.partition(".")[0])}


class LazyCommands(Mapping[str, "Command"]):
    """The commands of ``COMMANDS`` by name, each of them imported at its first use."""

    def __init__(self) -> None:
        """Import nothing yet."""
        self._loaded: dict[str, Command] = {}

    def __getitem__(self, name: str) -> Command:
        """Import a command. Raises KeyError for an unknown name."""
        if name not in self._loaded:
            self._loaded[name] = _load(name, COMMANDS[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names, in the order of the help."""
        return iter(COMMANDS)

    def __len__(self) -> int:
        """Return how many commands there are."""
        return len(COMMANDS)

    def __contains__(self, name: object) -> bool:
        """Whether there is such a command; imports nothing."""
        return name in COMMANDS


def _load(name: str, entry: CommandEntry) -> Command:
    module, _, attribute = entry.target.partition(":")
    gc.disable()  # imported modules stay: looking for garbage among them takes a fifth of the start
    try:
        found = getattr(import_module(module), attribute)
    finally:
        gc.freeze()
        gc.enable()
    if isinstance(found, typer.Typer):
        command: Command = get_group(found)
    else:
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(name)(found)
        command = get_command(alone)
    command.name = name
    return command
