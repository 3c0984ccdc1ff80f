"""``offtake share``: shared tables, which recipients read by Delta Sharing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from offtake.cli.installation import open_home
from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, next_command, operator_name, show
from offtake.cli.options import show_table as show_rows
from offtake.core.admin.identity import get_tenant
from offtake.core.services import Services
from offtake.core.sharing import tables
from offtake.core.sharing.tables import FORMAT, TableState, operator_of
from offtake.errors import ExportError, JobStateConflict, Waitable
from offtake.model.request import ExportRequest
from offtake.model.shared_table import TableName, parse_table_name
from offtake.model.tenant import Principal
from offtake.wire.native.saved_requests import decode_saved, describe_faults

commands = typer.Typer(help="Share exports by Delta Sharing.", no_args_is_help=True, rich_markup_mode=None)

_NOT_SAVED = ("dry_run", "reuse_within")  # fields of a request that say how an export is created, not what it contains
TenantArgument = Annotated[str, typer.Argument(help="Tenant that owns the data.")]
TableArgument = Annotated[
    str, typer.Argument(metavar="SHARE.SCHEMA.TABLE", help="Name of the table, in three parts. Case does not matter.")
]


@commands.callback()
def group() -> None:
    """Share exports by Delta Sharing.

    A shared table is a saved export request. Each finished export that `refresh` creates is its next version.
    Recipients read it with a credential of the kind share.
    """


@commands.command("add")
def add_table(
    tenant: TenantArgument,
    table: TableArgument,
    home: HomeOption = DEFAULT_HOME,
    report: Annotated[str | None, typer.Option(help="Report to export, as `report list` shows it.")] = None,
    last: Annotated[
        str | None, typer.Option(help="Timespan of each version: the last whole 24h, 7d, 4w, 3mo, or previous_month.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Column to share; repeat for more. Default: all.")
    ] = None,
    personal: Annotated[
        bool, typer.Option("--personal/--no-personal", help="Whether the table may have columns with personal data.")
    ] = True,
    request: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Instead of report, last and column: a JSON file with the body of POST /v1/exports.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check the request.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Save an export request as a shared table. `refresh` creates its first version."""
    name, body = _name(table), _body(request, report, last, column)
    services = open_home(home)
    decoded = _decode(body, operator_of(tenant, personal=personal), services)
    if not personal:  # columns that become personal later are not shared either
        body |= {"columns": list(decoded.columns) or body.get("columns")}
    if dry_run:
        result = {"tenant": tenant, "table": str(name), "report": decoded.report, "dry_run": True}
        show(result, as_json, f"The request of {name} is valid; nothing was saved.")
        return
    with _faults_of_request():
        added = tables.add_table(tenant, name, {**body, "format": FORMAT}, decoded, operator_name(), services)
    refresh = next_command(f"share refresh {tenant} {name}", home)
    text = f"The table {name} of tenant {tenant} is saved. Create its first version with:\n    {refresh}"
    show(_record(tables.get_table(tenant, added.name, services)), as_json, text)


@commands.command("refresh")
def refresh_table(
    tenant: TenantArgument, table: TableArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False
) -> None:
    """Create an export of a shared table; when it has finished, it is the next version.

    While an earlier one has not ended, no other one is created. A server or a worker makes the export.
    """
    services = open_home(home)
    state = tables.get_table(tenant, _name(table), services)
    saved = state.table
    request = _decode(saved.body, operator_of(tenant, personal=saved.personal), services)
    with _faults_of_request():
        job, is_new = tables.create_version(saved, request, operator_name(), services)
    result = {"tenant": tenant, "table": str(saved.name), "job": job.id, "status": job.status.value, "new": is_new}
    follow = next_command(f"jobs show {job.id}", home)
    what = "is created" if is_new else f"is {job.status}; no other one was created"
    show(result, as_json, f"The export {job.id} of {saved.name} {what}. See:\n    {follow}")


@commands.command("list")
def list_tables(tenant: TenantArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List a tenant's shared tables."""
    listed = tables.list_tables(tenant, open_home(home))
    if as_json:
        show({"tenant": tenant, "tables": [_record(each) for each in listed]}, as_json, "")
        return
    rows = Table(box=box.SIMPLE)
    for heading in ("table", "report", "personal", "version", "published", "last export"):
        rows.add_column(heading, no_wrap=True)
    for each in listed:
        newest = each.versions[-1] if each.versions else None
        number, published = (
            ("", "") if newest is None else (str(newest.number), f"{newest.published_at:%Y-%m-%d %H:%M:%S}")
        )
        status = each.last_export.status.value if each.last_export else ""
        personal = "yes" if each.table.personal else "no"
        rows.add_row(str(each.table.name), each.table.report, personal, number, published, status)
    show_rows(rows)


@commands.command("show")
def show_table(
    tenant: TenantArgument, table: TableArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False
) -> None:
    """Show a shared table with its available versions. Values of its filters are not shown."""
    state = tables.get_table(tenant, _name(table), open_home(home))
    record = _record(state)
    lines = [f"{name:>12}  {value}" for name, value in record.items() if name != "versions" and value is not None]
    for each in record["versions"]:
        lines.append(f"{'version':>12}  {each['version']}  {each['published_at']}  export {each['job']}")
    show(record, as_json, "\n".join(lines))


@commands.command("remove")
def remove_table(
    tenant: TenantArgument,
    table: TableArgument,
    home: HomeOption = DEFAULT_HOME,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove a shared table. Recipients lose it at once; its exports stay until their retention is over."""
    services, name = open_home(home), _name(table)
    if dry_run:
        state = tables.get_table(tenant, name, services)
    else:
        state = tables.remove_table(tenant, name, operator_name(), services)
    what = "would be removed" if dry_run else "is removed"
    result = {"tenant": tenant, "table": str(name), "versions": len(state.versions), "removed": not dry_run}
    show(result, as_json, f"The table {name} with {len(state.versions)} versions {what}.")


def _name(text: str) -> TableName:
    try:
        return parse_table_name(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: {error}", param_hint="SHARE.SCHEMA.TABLE") from error


def _body(request: Path | None, report: str | None, last: str | None, columns: list[str] | None) -> dict[str, Any]:
    """Return the body of the request that the options describe. Raises BadParameter."""
    if request is None:
        if report is None or last is None:
            raise typer.BadParameter("give --report and --last, or --request FILE")
        return {"report": report, "timespan": {"last": last}, **({"columns": columns} if columns else {})}
    if report or last or columns:
        raise typer.BadParameter(
            "the file has the whole request; leave out --report, --last and --column", param_hint="--request"
        )
    try:
        body = json.loads(request.read_bytes())
    except ValueError as error:
        raise typer.BadParameter(f"{request} is not JSON: {error}", param_hint="--request") from error
    if not isinstance(body, dict):
        raise typer.BadParameter(f"{request} is not a JSON object", param_hint="--request")
    unfit = [name for name in _NOT_SAVED if name in body]
    if unfit:
        raise typer.BadParameter(
            f"{request}: remove {unfit[0]}, which a saved request cannot have", param_hint="--request"
        )
    return body


def _decode(body: Mapping[str, Any], by: Principal, on: Services) -> ExportRequest:
    """Return what a saved request means now. Raises UnknownName, BadParameter with all its faults."""
    tenant = get_tenant(by.tenant, on)
    with _faults_of_request():
        return decode_saved({"format": FORMAT, **body}, by, on, account_zone=tenant.zone)


@contextmanager
def _faults_of_request() -> Iterator[None]:
    """Raise BadParameter for the faults of a request that the block finds."""
    try:
        yield
    except (Waitable, JobStateConflict):
        raise
    except ExportError as error:
        raise typer.BadParameter(describe_faults(error), param_hint="request") from error


def _record(state: TableState) -> dict[str, Any]:
    table, last = state.table, state.last_export
    return {
        "tenant": table.tenant,
        "table": str(table.name),
        "id": table.id,
        "report": table.report,
        "personal": table.personal,
        "created_at": table.created_at.isoformat(),
        "last_export": last.id if last else None,
        "last_status": last.status.value if last else None,
        "versions": [
            {"version": each.number, "job": each.job, "published_at": each.published_at.isoformat()}
            for each in state.versions
        ],
    }
