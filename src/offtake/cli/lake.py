"""``offtake lake status``."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table as Grid

from offtake.cli.installation import open_home, storage_checked
from offtake.cli.options import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    TenantOption,
    progress_bar,
    show,
    show_table,
)
from offtake.core.admin import identity
from offtake.core.admin.lake_status import TableStatus, lake_status

commands = typer.Typer(help="Inspect the lake.", no_args_is_help=True, rich_markup_mode=None)


@commands.callback()
def group() -> None:
    """Inspect the lake."""


@commands.command("status")
def status(
    tenant: TenantOption,
    home: HomeOption = DEFAULT_HOME,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Read only the logs of the tables: no events and no references, and no file is fetched."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what the lake holds of a tenant: rows, first and last event, size, and references to rows that are missing.

    A reference to a missing row is no fault, because facts may arrive before agents, teams and queues: until then,
    reports show the id or nothing in place of the name.
    """
    services = open_home(home)
    identity.get_tenant(tenant, services)
    with (
        storage_checked(services),
        progress_bar("Reading the lake", "{task.completed:,.0f} of {task.total:,.0f} tables") as progress,
    ):
        task = progress.add_task("tables", total=1)
        found = list(
            lake_status(
                tenant,
                services,
                scan=not quick,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
        )
    if as_json:
        show({"tenant": tenant, "tables": [_record(each) for each in found]}, as_json, "")
        return
    filled = [each for each in found if each.files]
    if filled:
        show_table(_grid(filled))
    empty = [each.table for each in found if not each.files]
    if empty:
        typer.echo(f"Without rows: {', '.join(empty)}.")


def _record(found: TableStatus) -> dict[str, Any]:
    return {
        "table": found.table,
        "rows": found.rows,
        "first_event": found.first_event,
        "last_event": found.last_event,
        "bytes": found.bytes,
        "files": found.files,
        "version": found.version,
        "written_at": found.written_at.isoformat() if found.written_at else None,
        "complete_until": found.complete_until.isoformat() if found.complete_until else None,
        "dangling": None if found.dangling is None else dict(found.dangling),
    }


def _grid(filled: list[TableStatus]) -> Grid:
    grid = Grid(box=box.SIMPLE)
    for heading in (
        "table",
        "rows",
        "first event",
        "last event",
        "complete until",
        "bytes",
        "files",
        "version",
        "written",
    ):
        grid.add_column(heading, no_wrap=True, justify="right" if heading in ("rows", "bytes", "files") else "left")
    grid.add_column("dangling references")
    for each in filled:
        grid.add_row(
            each.table,
            f"{each.rows:,}",
            _shortened(each.first_event),
            _shortened(each.last_event),
            f"{each.complete_until:%Y-%m-%d %H:%M:%S}" if each.complete_until else "",
            f"{each.bytes:,}",
            str(each.files),
            str(each.version),
            f"{each.written_at:%Y-%m-%d %H:%M:%S}",
            ", ".join(f"{number:,} of {column}" for column, number in (each.dangling or {}).items()),
        )
    return grid


def _shortened(event: str | None) -> str:
    """Return an instant without its fraction of a second."""
    return "" if event is None else event[:19].replace("T", " ")
