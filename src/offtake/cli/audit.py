"""``offtake audit``: read the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from offtake.cli.installation import open_home
from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, newest, show, show_table
from offtake.core.admin import audit_log, identity
from offtake.model.audit import AuditFilter, AuditRow

commands = typer.Typer(help="Read the audit log.", no_args_is_help=True, rich_markup_mode=None)
_COLUMNS = (
    "at",
    "tenant",
    "operation",
    "outcome",
    "count",
    "dialect",
    "credential",
    "address",
    "job",
    "report",
    "actor",
)


@commands.callback()
def group() -> None:
    """Read the audit log."""


@commands.command("list")
def list_entries(
    home: HomeOption = DEFAULT_HOME,
    tenant: Annotated[str | None, typer.Option(help="Only entries of this tenant.")] = None,
    operation: Annotated[
        str | None, typer.Option(help="Only this operation, such as job.create, or a group of them, such as auth.")
    ] = None,
    outcome: Annotated[str | None, typer.Option(help="Only this outcome, such as allowed or refused.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Only entries from this instant on, as 2026-03-01T00:00:00Z.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Maximum number of entries.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List entries, newest first.

    Refused requests are counted: one entry per minute, kind, credential and address has their number.
    """
    on = open_home(home)
    if tenant is not None:
        identity.get_tenant(tenant, on)
    condition = AuditFilter(tenant=tenant, operation=operation, outcome=outcome, since=_instant(since))
    records = [_record(row) for row in newest(audit_log.list_entries(condition, on, limit=limit + 1), limit)]
    if as_json:
        show({"entries": records}, as_json, "")
        return
    table = Table(box=box.SIMPLE)
    for heading in _COLUMNS:
        table.add_column(heading, no_wrap=True)
    for record in records:
        table.add_row(*("" if record[name] is None else str(record[name]) for name in _COLUMNS))
    show_table(table)


def _instant(text: str | None) -> datetime | None:
    """Return an instant with its zone. Raises BadParameter."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise typer.BadParameter(
            f"{text!r} is no instant with a zone; write 2026-03-01T00:00:00Z", param_hint="--since"
        )
    return instant


def _record(row: AuditRow) -> dict[str, Any]:
    entry = row.entry
    return {
        "at": row.happened_at.isoformat(timespec="seconds"),
        "tenant": entry.tenant,
        "operation": entry.operation,
        "outcome": entry.outcome,
        "count": entry.count,
        "dialect": entry.dialect,
        "credential": entry.principal,
        "address": entry.address,
        "job": entry.job,
        "report": entry.report,
        "format": entry.format,
        "columns": entry.column_count,
        "actor": entry.actor,
        "effective": entry.effective,
    }
