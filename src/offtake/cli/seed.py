"""``offtake seed``."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from offtake.cli.installation import open_home, storage_checked
from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, TenantOption, progress_bar, show
from offtake.cli.tables import find_table
from offtake.core.admin import identity
from offtake.core.services import Services
from offtake.errors import StateError
from offtake.lake.seed import SIZES, SeedPlan
from offtake.lake.seed import seed as seed_lake
from offtake.lake.seed.ownership import tables_with_other_rows
from offtake.lake.tables import tables

_DAYS_BEFORE_TODAY = {"today": 0, "yesterday": 1}
_SIZES = ", ".join(f"{name} {calls:,}" for name, calls in SIZES.items())


def seed(
    tenant: TenantOption,
    home: HomeOption = DEFAULT_HOME,
    days: Annotated[int, typer.Option(min=1, max=3660, help="Number of days; the last one is --until.")] = 31,
    until: Annotated[
        str, typer.Option(metavar="DAY", help="Last day: YYYY-MM-DD, today or yesterday (UTC).")
    ] = "today",
    size: Annotated[str, typer.Option(help=f"Number of calls: {_SIZES}")] = "small",
    calls: Annotated[int | None, typer.Option(min=1, help="Exact number of calls, instead of --size.")] = None,
    table: Annotated[
        list[str] | None, typer.Option("--table", help="Fill this table only; may be given several times.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the generator. Equal options produce equal rows.")] = 7,
    clock_changes: Annotated[
        bool,
        typer.Option(
            "--clock-changes",
            help="Put one call in 20, and other rows, near the latest clock changes, which may be outside the days.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Add the sample data to a tenant that has rows of its own.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fill every table with consistent sample data. A repeated run with the same options adds no rows.

    A tenant that has other rows than sample data is refused: its reports would mix both.
    """
    if size not in SIZES:
        raise typer.BadParameter(f"{size!r} is not one of {', '.join(SIZES)}", param_hint="--size")
    last = _last_day(until)
    only = [find_table(name).name for name in table or ()]
    services = open_home(home)
    identity.get_tenant(tenant, services)
    if not force:
        _require_own_rows(tenant, services)
    plan = SeedPlan(
        tenant=tenant, days=days, until=last, calls=calls or SIZES[size], seed=seed, clock_changes=clock_changes
    )
    with (
        storage_checked(services),
        progress_bar("Generating sample data", "{task.percentage:>3.0f} %") as progress,
    ):
        task = progress.add_task("rows", total=None)
        seeded = seed_lake(
            services.lake, plan, lambda done, total: progress.update(task, completed=done, total=total), only=only
        )
    lines = [f"{rows:>10,} {table}" for table, rows in seeded.items()]
    show({"tenant": tenant, "until": last.isoformat(), "rows": dict(seeded)}, as_json, "\n".join(lines))


def _last_day(until: str) -> date:
    today = datetime.now(UTC).date()
    if until in _DAYS_BEFORE_TODAY:
        return today - timedelta(days=_DAYS_BEFORE_TODAY[until])
    try:
        return datetime.strptime(until, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        problem = f"{until!r} is not a day; write YYYY-MM-DD, today or yesterday."
        raise typer.BadParameter(problem, param_hint="--until") from None


def _require_own_rows(tenant: str, on: Services) -> None:
    with storage_checked(on):
        found = tables_with_other_rows(on.lake, tenant, tables().values())
    if found:
        raise StateError(
            f"The tenant {tenant} has rows that are not sample data, or were seeded so long ago that the log of the "
            f"table no longer tells, in: {', '.join(found)}. Seed another tenant, or add the sample data to these rows "
            "with --force."
        )
