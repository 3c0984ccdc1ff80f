"""``offtake sources``: the files of unattended sources."""

from __future__ import annotations

from typing import Annotated

import typer
from rich import box
from rich.table import Table

from offtake.cli.installation import open_home
from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, printable, show, show_table
from offtake.core.sources import records
from offtake.model.source import FileState

commands = typer.Typer(help="Inspect unattended sources and their files.", no_args_is_help=True, rich_markup_mode=None)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the source.")]
TenantFilter = Annotated[str | None, typer.Option("--tenant", help="Tenant, if several have a source of that name.")]


@commands.callback()
def group() -> None:
    """Inspect unattended sources and their files."""


@commands.command("list")
def list_sources(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List sources that have seen a file: how many files wait, are loaded or are quarantined, and the last success."""
    found = records.list_sources(open_home(home))
    if as_json:
        listed = [
            {
                "source": each.source.name,
                "tenant": each.source.tenant,
                "files": {state.value: each.files.get(state, 0) for state in FileState},
                "last_success": each.last_success.isoformat() if each.last_success else None,
            }
            for each in found
        ]
        show({"sources": listed}, as_json, "")
        return
    shown = Table(box=box.SIMPLE)
    for heading in ("source", "tenant", *FileState, "last success"):
        shown.add_column(str(heading), no_wrap=True, justify="right" if heading in tuple(FileState) else "left")
    for each in found:
        counts = (str(each.files.get(state, 0)) for state in FileState)
        last = f"{each.last_success:%Y-%m-%d %H:%M:%S}" if each.last_success else ""
        shown.add_row(each.source.name, each.source.tenant, *counts, last)
    show_table(shown)


@commands.command("show")
def show_source(
    name: NameArgument, home: HomeOption = DEFAULT_HOME, tenant: TenantFilter = None, as_json: JsonOption = False
) -> None:
    """Show the files of a source: state, attempts, next attempt, load and the code of the last error."""
    services = open_home(home)
    source = records.get(name, services, tenant=tenant)
    found = records.files(source, services)
    if as_json:
        listed = [
            {
                "file": each.name,
                "bytes": each.bytes,
                "state": each.state.value,
                "attempts": each.attempts,
                "next_attempt": each.not_before.isoformat() if each.state is FileState.WAITING else None,
                "load": each.load,
                "error": each.error,
                "finished_at": each.finished_at.isoformat() if each.finished_at else None,
            }
            for each in found
        ]
        show({"source": name, "tenant": source.source.tenant, "files": listed}, as_json, "")
        return
    shown = Table(box=box.SIMPLE)
    for heading in ("file", "bytes", "state", "attempts", "load", "error"):
        shown.add_column(heading, no_wrap=True, justify="right" if heading in ("bytes", "attempts") else "left")
    for each in found:
        words = (each.state.value, str(each.attempts), each.load or "", each.error or "")
        shown.add_row(printable(each.name), f"{each.bytes:,}", *words)
    show_table(shown)


@commands.command("reload")
def reload(
    name: NameArgument,
    first: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="First file, as `sources show` prints it. Default: all files."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print which files would wait.")] = False,
    home: HomeOption = DEFAULT_HOME,
    tenant: TenantFilter = None,
    as_json: JsonOption = False,
) -> None:
    """Let loaded files wait to be loaded again, such as after a change of the mapping.

    With --from, these are the file and all later ones, so that rows end with the values of the last file. Rows that no
    file has any more stay; undo the loads, or delete them.
    """
    services = open_home(home)
    source = records.get(name, services, tenant=tenant)
    files = records.reload(source, services, first=first, dry_run=dry_run)
    heading = "Dry run; these files would be loaded again:" if dry_run else "These files wait to be loaded again:"
    lines = [heading, *map(printable, files)] if files else ["No file is loaded."]
    show({"source": name, "files": files, "dry_run": dry_run}, as_json, "\n".join(lines))


@commands.command("retry")
def retry(
    name: NameArgument,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Name of the file, as `sources show` prints it.")],
    home: HomeOption = DEFAULT_HOME,
    tenant: TenantFilter = None,
    as_json: JsonOption = False,
) -> None:
    """Let a quarantined file wait for another attempt, after its cause was removed. A changed file needs no retry."""
    services = open_home(home)
    source = records.get(name, services, tenant=tenant)
    records.retry(source, file, services)
    show({"source": name, "file": file, "state": FileState.WAITING.value}, as_json, f"{printable(file)} waits again.")
