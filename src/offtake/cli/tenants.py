"""``offtake tenant``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from offtake.cli.installation import open_home, storage_checked
from offtake.cli.options import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    confirm_name,
    next_command,
    operator_name,
    progress_bar,
    show,
    show_table,
)
from offtake.core.admin import identity, tenant_removal, tenants
from offtake.core.admin.tenant_removal import TenantContents
from offtake.core.admin.tenants import TenantSummary
from offtake.core.services import Services
from offtake.errors import InvalidZone
from offtake.home import Home
from offtake.lake.removal import TableSize
from offtake.model.tenant import TENANT_NAME, Tenant, company_key_fault
from offtake.model.timespan import zone
from offtake.settings import load_settings
from offtake.tenant_settings import OptionInForce, changed_options, options_in_force

commands = typer.Typer(help="Manage tenants: isolated customers.", no_args_is_help=True, rich_markup_mode=None)
TenantArgument = Annotated[str, typer.Argument(metavar="NAME", help="The tenant.")]


@commands.callback()
def group() -> None:
    """Manage tenants: isolated customers."""


@commands.command("add")
def add_tenant(
    name: Annotated[str, typer.Argument(help="1 to 63 lower-case letters, digits and dashes.")],
    home: HomeOption = DEFAULT_HOME,
    company_key: Annotated[str | None, typer.Option(help="Key that Khoros clients send for this tenant.")] = None,
    timezone: Annotated[str, typer.Option(help="IANA zone of the account's calendar.")] = "UTC",
    as_json: JsonOption = False,
) -> None:
    """Create a tenant. Other tenants cannot see its data, jobs, files and credentials."""
    if not TENANT_NAME.fullmatch(name):
        raise typer.BadParameter(f"{name!r} is not 1 to 63 lower-case letters, digits and dashes", param_hint="NAME")
    _check_company_key(company_key)
    _check_zone(timezone)
    services = open_home(home)
    identity.add_tenant(Tenant(name=name, zone=timezone, company_key=company_key), services)
    result = {"tenant": name, "timezone": timezone, "company_key": company_key}
    following = next_command(f"credential add {name} --kind oauth", home)
    show(result, as_json, f"Tenant {name} is ready. Next: {following}")


@commands.command("list")
def list_tenants(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List all tenants with what they use. A tenant whose removal was interrupted is listed as being removed."""
    listed = tenants.list_tenants(open_home(home))
    if as_json:
        show({"tenants": [_record(each) for each in listed]}, as_json, "")
        return
    table = Table(box=box.SIMPLE)
    for heading in ("tenant", "zone", "company key", "state", "credentials", "open exports", "jobs", "files", "bytes"):
        table.add_column(heading, no_wrap=True, justify="left" if heading in _WORDS else "right")
    for each in listed:
        tenant, used = each.tenant, each.usage
        words = (tenant.name, tenant.zone, tenant.company_key or "", _state(tenant))
        numbers = (each.credentials, each.open_jobs, each.jobs, used.files, used.bytes)
        table.add_row(*words, *(f"{number:,}" for number in numbers))
    show_table(table)


@commands.command("show")
def show_tenant(name: TenantArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show a tenant: what it uses, its rows in the lake, and each of its limits with the origin of the value.

    A limit comes from `tenant set`, else from the tenant's tables of offtake.toml, else from the settings for all
    tenants, else it is the default.
    """
    services = open_home(home)
    tenant = identity.get_tenant(name, services)
    with storage_checked(services):
        each, sizes = tenants.summary(tenant, services), tenants.table_sizes(name, services)
    limits = list(options_in_force(load_settings(Home(home).settings), tenant))
    if as_json:
        limits_json = [
            {"option": f"{limit.table}.{limit.option}", "value": limit.value, "from": limit.origin} for limit in limits
        ]
        show({**_record(each), "lake": [_size(size) for size in sizes], "limits": limits_json}, as_json, "")
        return
    record = _record(each)
    typer.echo("\n".join(f"{name:>16}  {value}" for name, value in record.items() if value is not None))
    show_table(_sizes_table(sizes))
    show_table(_limits_table(limits))


@commands.command("set")
def set_tenant(
    name: TenantArgument,
    home: HomeOption = DEFAULT_HOME,
    company_key: Annotated[
        str | None, typer.Option(help="Key that Khoros clients send for this tenant; an empty text removes it.")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA zone of the account's calendar.")] = None,
    verified: Annotated[
        bool | None,
        typer.Option(
            "--verified/--not-verified",
            help="Whether the account is verified. The Loop dialect refuses requests of accounts that are not; the "
            "other dialects do not check.",
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE.OPTION=VALUE",
            help="A limit of this tenant, such as budget.kept_files=500 or talkdesk.open_jobs=5; none: no limit. May "
            "be given several times. `tenant show` lists all limits.",
        ),
    ] = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(metavar="TABLE.OPTION", help="Return a limit to the value of the settings; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change a tenant. Limits and budget override the settings, in running servers and workers within seconds."""
    _check_company_key(company_key or None)
    if timezone is not None:
        _check_zone(timezone)
    if company_key is None and timezone is None and verified is None and not limit and not unset:
        raise typer.BadParameter("name at least one option to change; see --help")
    services = open_home(home)
    tenant = identity.get_tenant(name, services)
    options = changed_options(load_settings(Home(home).settings), tenant, limit or (), unset or ())
    changed = replace(
        tenant,
        company_key=tenant.company_key if company_key is None else company_key or None,
        zone=tenant.zone if timezone is None else timezone,
        is_verified=tenant.is_verified if verified is None else verified,
        options=options,
    )
    tenants.change_tenant(changed, operator_name(), services)
    _show_changed(changed, as_json)


def _show_changed(changed: Tenant, as_json: bool) -> None:
    own = {f"{table}.{option}": value for table, values in changed.options.items() for option, value in values.items()}
    result: dict[str, Any] = {"tenant": changed.name, "timezone": changed.zone, "company_key": changed.company_key}
    result |= {"verified": changed.is_verified, "limits": own}
    lines = [f"{option:>16}  {value}" for option, value in result.items() if option != "limits" and value is not None]
    lines += [f"{option} = {'none' if value is None else value}" for option, value in own.items()]
    show(result, as_json, "\n".join(lines))


@commands.command("remove")
def remove_tenant(
    name: TenantArgument,
    home: HomeOption = DEFAULT_HOME,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    confirm: Annotated[
        str | None, typer.Option(metavar="NAME", help="The tenant's name once more, instead of typing it.")
    ] = None,
    cancel_running: Annotated[
        bool, typer.Option("--cancel-running", help="Cancel the tenant's exports that have not ended.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove a tenant with its rows in the lake, files, exports, credentials and tokens. The audit log stays.

    The tenant is unusable from the first step on. If the command is interrupted, the next one completes the removal;
    then the name can be used again. Exports on hold prevent a removal. Other tenants are not affected.
    """
    services = open_home(home)
    services.artifacts.check()
    with storage_checked(services):
        found = tenant_removal.contents(name, services)
    result = _removal(found, home) | {"dry_run": dry_run}
    if dry_run:
        show(result, as_json, _removal_text(result, "would be removed"))
        return
    typer.echo(_removal_text(result, "will be removed"), err=True)
    confirm_name(confirm, name, "This cannot be undone.")
    _remove(name, services, cancel_running=cancel_running)
    show(result, as_json, f"Tenant {name} is removed.")


def _remove(name: str, services: Services, *, cancel_running: bool) -> None:
    with storage_checked(services), progress_bar(f"Removing {name}", "{task.fields[what]}") as progress:
        task = progress.add_task("steps", total=None, what="")
        tenant_removal.remove_tenant(
            name,
            operator_name(),
            services,
            cancel_running=cancel_running,
            progress=lambda what: progress.update(task, what=what),
        )


_WORDS = ("tenant", "zone", "company key", "state")


def _record(each: TenantSummary) -> dict[str, Any]:
    tenant, used = each.tenant, each.usage
    return {
        "tenant": tenant.name,
        "timezone": tenant.zone,
        "company_key": tenant.company_key,
        "verified": tenant.is_verified,
        "state": _state(tenant),
        "created_at": tenant.created_at.isoformat() if tenant.created_at else None,
        "credentials": each.credentials,
        "jobs": each.jobs,
        "open_exports": each.open_jobs,
        "files": used.files,
        "bytes": used.bytes,
    }


def _state(tenant: Tenant) -> str:
    return "being removed" if tenant.removing_at else "active"


def _size(size: TableSize) -> dict[str, Any]:
    return {"table": size.table, "rows": size.rows, "bytes": size.bytes, "files": size.files}


def _sizes_table(sizes: Sequence[TableSize]) -> Table:
    table = Table("table", box=box.SIMPLE)
    for heading in ("rows", "bytes", "files"):
        table.add_column(heading, no_wrap=True, justify="right")
    for size in sizes:
        table.add_row(size.table, f"{size.rows:,}", f"{size.bytes:,}", f"{size.files:,}")
    return table


def _limits_table(limits: Sequence[OptionInForce]) -> Table:
    table = Table(box=box.SIMPLE)
    for heading in ("limit", "value", "from"):
        table.add_column(heading, no_wrap=True)
    for each in limits:
        table.add_row(f"{each.table}.{each.option}", "none" if each.value is None else str(each.value), each.origin)
    return table


def _removal(found: TenantContents, home: HomeOption) -> dict[str, Any]:
    settings = load_settings(Home(home).settings)
    return {
        "tenant": found.tenant.name,
        "lake": [_size(size) for size in found.tables],
        "files": len(found.files),
        "records": found.records,
        "open_exports": list(found.open_jobs),
        "held_exports": list(found.held_jobs),
        "left_in_settings": sorted(settings.tenants.get(found.tenant.name, {})),
    }


def _removal_text(result: dict[str, Any], verb: str) -> str:
    tenant = result["tenant"]
    lines = [f"Of tenant {tenant}, these {verb}:"]
    lines += [f"{size['rows']:>14,} rows of {size['table']} ({size['bytes']:,} bytes)" for size in result["lake"]]
    lines += [f"{result['files']:>14,} files of exports"]
    lines += [f"{count:>14,} records of {table}" for table, count in result["records"].items()]
    for word, what in (("open_exports", "that have not ended"), ("held_exports", "on hold")):
        if result[word]:
            lines.append(f"It has {len(result[word])} exports {what}, such as {result[word][0]}.")
    if result["left_in_settings"]:
        tables = ", ".join(f"[tenants.{tenant}.{table}]" for table in result["left_in_settings"])
        lines.append(f"offtake.toml still has {tables}; remove them before the name is used again.")
    return "\n".join(lines)


def _check_company_key(key: str | None) -> None:
    if key is not None and (fault := company_key_fault(key)):
        raise typer.BadParameter(f"the key {fault}", param_hint="--company-key")


def _check_zone(name: str) -> None:
    try:
        zone(name)
    except InvalidZone as error:
        raise typer.BadParameter(error.message, param_hint="--timezone") from error
