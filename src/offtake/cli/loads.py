"""``offtake delete``, and ``offtake loads``: list, show and undo loads. Rows and values are never shown."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from offtake.cli.installation import open_home, storage_checked
from offtake.cli.options import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    TenantOption,
    newest,
    operator_name,
    progress_bar,
    show,
    show_table,
)
from offtake.cli.tables import find_table
from offtake.core.admin import identity
from offtake.core.loads import undo as core_undo
from offtake.core.loads.changes import Recorded, Target, delete_by_filter, delete_by_keys
from offtake.model.load import LoadFilter, LoadRecord, LoadState

commands = typer.Typer(help="List, show and undo loads of all tenants.", no_args_is_help=True, rich_markup_mode=None)

LoadArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the load, as `loads list` shows it.")]
_STATES = ", ".join(LoadState)


@commands.callback()
def group() -> None:
    """List, show and undo loads of all tenants."""


@commands.command("list")
def list_loads(
    home: HomeOption = DEFAULT_HOME,
    tenant: Annotated[str | None, typer.Option(help="Only loads of this tenant.")] = None,
    table: Annotated[str | None, typer.Option(help="Only loads into this table.")] = None,
    state: Annotated[
        LoadState | None, typer.Option(metavar="STATE", help=f"Only loads in this state: {_STATES}.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of loads.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List loads, deletions and undos, newest first. Loads of killed processes are resolved first."""
    services = open_home(home)
    if tenant is not None:
        identity.get_tenant(tenant, services)
    if table is not None:
        find_table(table)
    listed = newest(
        core_undo.list_loads(LoadFilter(tenant=tenant, table=table, state=state), services, limit=limit + 1), limit
    )
    if as_json:
        show({"loads": [load_record(record) for record in listed]}, as_json, "")
        return
    shown = Table(box=box.SIMPLE)
    numbers = ("inserted", "updated", "unchanged", "deleted", "rejected")
    for heading in ("id", "kind", "tenant", "table", "state", "started", "by", *numbers):
        shown.add_column(heading, no_wrap=True, justify="right" if heading in numbers else "left")
    for record in listed:
        words = (record.id, record.kind, record.tenant, record.table, record.state)
        counts = (f"{record.counts[name]:,}" if name in record.counts else "" for name in numbers)
        shown.add_row(*words, f"{record.started_at:%Y-%m-%d %H:%M:%S}", record.actor, *counts)
    show_table(shown)


@commands.command("show")
def show_load(load: LoadArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show one load: its sources, counts and version, and until when it can be undone."""
    result = load_record(core_undo.get(load, open_home(home)))
    lines = [f"{name:>16}  {_word(value)}" for name, value in result.items() if value not in (None, [], {})]
    show(result, as_json, "\n".join(lines))


@commands.command("undo")
def undo_load(
    load: LoadArgument,
    home: HomeOption = DEFAULT_HOME,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the rows that would change.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Undo a load or a deletion: rows that it inserted go, rows that it updated or deleted come back.

    It is refused if later loads touched the same rows, or if the files of the earlier rows are gone. The undo is a load
    of its own, and readers of changes learn of it.
    """
    services = open_home(home)
    with storage_checked(services):
        done = core_undo.undo(load, operator_name(), services, is_dry_run=dry_run)
    _show_change(done, {"undone": load, "dry_run": dry_run}, as_json)


def delete(
    table: Annotated[str, typer.Argument(help="Table of the care data model.")],
    tenant: TenantOption,
    home: HomeOption = DEFAULT_HOME,
    keys: Annotated[
        list[Path] | None,
        typer.Option(
            "--keys", help="File with the keys of the rows, in the formats of `load`; may be given several times."
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            "--where",
            help='Filter expression on the columns, such as: kind = "missed" and ended_at < "2026-01-01T00:00:00Z"',
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the rows that would be deleted.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete rows of a table by their keys or by a filter expression. Rows in other tables stay.

    `offtake loads undo` brings them back for seven days.
    """
    if (not keys) == (where is None):
        raise typer.BadParameter("give either --keys or --where", param_hint="--keys, --where")
    services = open_home(home)
    identity.get_tenant(tenant, services)
    target = Target(tenant=tenant, table=find_table(table), actor=operator_name())
    with storage_checked(services), progress_bar(f"Reading keys of {table}", "{task.completed:,.0f} rows") as progress:
        task = progress.add_task("rows", total=None)
        if where is not None:
            done = delete_by_filter(target, where, services, is_dry_run=dry_run)
        else:
            done = delete_by_keys(
                target,
                keys or [],
                lambda rows: progress.update(task, completed=rows),
                services,
                is_dry_run=dry_run,
            )
    _show_change(done, {"table": table, "tenant": tenant, "dry_run": dry_run}, as_json)


def _show_change(done: Recorded, about: dict[str, Any], as_json: bool) -> None:
    counts = done.stored.counts.as_mapping()
    if about["dry_run"]:
        lines = ["Dry run; nothing was changed. These rows would be:"]
    else:
        lines = [f"Load {done.id}, {_version(done.stored.version)}:"]
    lines += [f"{number:>10,} {name}" for name, number in counts.items() if number]
    if len(lines) == 1:
        lines.append(f"{0:>10,} changed")
    show({**about, "load": done.id, "version": done.stored.version, **counts}, as_json, "\n".join(lines))


def _version(version: int | None) -> str:
    return "no change" if version is None else f"version {version}"


def load_record(record: LoadRecord) -> dict[str, Any]:
    """Return a load as a JSON object."""
    return {
        "id": record.id,
        "kind": record.kind.value,
        "tenant": record.tenant,
        "table": record.table,
        "state": record.state.value,
        "by": record.actor,
        "started_at": _instant(record.started_at),
        "finished_at": _instant(record.finished_at),
        "source": [{"name": each.name, "bytes": each.bytes} for each in record.source],
        "mapping_digest": record.mapping_digest,
        "version": record.version,
        "counts": dict(record.counts),
        "failure": record.failure,
        "complete_until": _instant(record.complete_until),
        "undoes": record.undoes,
        "undone_by": record.undone_by,
        "undo_until": _instant(core_undo.undo_until(record)),
    }


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{number:,} {name}" for name, number in value.items() if number) or "no rows"
    if isinstance(value, list):
        sizes = ((each["name"], each["bytes"]) for each in value)
        return ", ".join(name if size is None else f"{name} ({size:,} bytes)" for name, size in sizes)
    return str(value)


def _instant(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()
