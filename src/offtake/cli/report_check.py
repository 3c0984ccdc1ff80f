"""``offtake report check``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich import box
from rich.markup import escape
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
from offtake.cli.report_description import find_report
from offtake.core.admin import identity
from offtake.core.report_check import ReportCheck, check_reports
from offtake.model.timespan import Timespan

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]


def check(
    tenant: TenantOption,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Reports to check; default: all.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    days: Annotated[int, typer.Option(min=1, max=36_500, help="Number of days before --end.")] = 30,
    start: Annotated[
        datetime | None, typer.Option(formats=_FORMATS, help="Start of the timespan in UTC, instead of --days.")
    ] = None,
    end: Annotated[datetime | None, typer.Option(formats=_FORMATS, help="Its end in UTC. Default: now.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check for each report whether an export of the timespan would have rows, and which tables are missing.

    Nothing is exported or changed. The rows are those of a request with all columns and without parameters, counted in
    the lake without the joins of the report; where a report has no such count, only its tables are checked.
    """
    services = open_home(home)
    owner = identity.get_tenant(tenant, services)
    span = _timespan(start, end, days=days, now=services.clock())
    reports = [find_report(name, services.catalogue).name for name in names or services.catalogue.reports]
    with (
        storage_checked(services),
        progress_bar("Checking reports", "{task.completed:,.0f} of {task.total:,.0f}") as progress,
    ):
        task = progress.add_task("reports", total=len(reports))
        found = []
        for each in check_reports(reports, owner, span, services):
            found.append(each)
            progress.advance(task)
    if as_json:
        records = [_record(each) for each in found]
        bounds = {"start": span.start.isoformat(), "end": span.end.isoformat()}
        show({"tenant": tenant, **bounds, "reports": records}, as_json, "")
        return
    typer.echo(f"Exports from {span.start:%Y-%m-%d %H:%M:%S} to {span.end:%Y-%m-%d %H:%M:%S} UTC would have:")
    grid = Grid(box=box.SIMPLE)
    grid.add_column("report", no_wrap=True)
    grid.add_column("rows", no_wrap=True, justify="right")
    grid.add_column("what is missing")
    for each in found:
        grid.add_row(each.report, "not counted" if each.rows is None else f"{each.rows:,}", escape(_missing(each)))
    show_table(grid)


def _timespan(start: datetime | None, end: datetime | None, *, days: int, now: datetime) -> Timespan:
    until = now if end is None else end.replace(tzinfo=UTC)
    begin = until - timedelta(days=days) if start is None else start.replace(tzinfo=UTC)
    if begin >= until:
        raise typer.BadParameter(f"{begin:%Y-%m-%dT%H:%M:%SZ} is not before the end", param_hint="--start")
    return Timespan(start=begin, end=until, zone="UTC")


def _record(found: ReportCheck) -> dict[str, Any]:
    return {
        "report": found.report,
        "has_rows": found.has_rows,
        "rows": found.rows,
        "needed": list(found.needed),
        "notices": [
            {"code": each.code.value, "table": each.table, "columns": list(each.columns), "detail": each.message}
            for each in found.notices
        ],
        "months": list(found.months) if found.months else None,
    }


def _missing(found: ReportCheck) -> str:
    """Return the notices as lines, and for a report without rows the months that its first table has."""
    shown = [each for each in found.notices if not found.needed or each.table in found.needed]
    lines = [each.message for each in shown]
    if len(shown) < len(found.notices):
        lines.append(f"Also without rows: {', '.join(each.table for each in found.notices if each not in shown)}.")
    if found.rows == 0 and found.months:
        lines.append(f"The first table of the report has rows of {' to '.join(dict.fromkeys(found.months))}.")
    elif found.rows == 0 and not lines:
        lines.append("No table is empty, but no row is in the timespan.")
    return "\n".join(lines)
