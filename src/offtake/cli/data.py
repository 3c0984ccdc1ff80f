"""``offtake seed`` and ``offtake load``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from offtake.cli import check_report, watching
from offtake.cli.completeness import (
    CompleteUntilNewestOption,
    CompleteUntilOption,
    LowerCompletenessOption,
    declared,
)
from offtake.cli.exits import FILE_REFUSED, ROWS_REFUSED
from offtake.cli.mapping_options import (
    DecimalOption,
    DelimiterOption,
    IgnoreExtraOption,
    MapOption,
    MappingOption,
    ZoneOption,
    adjust,
    read_or_identity,
    separate,
)
from offtake.cli.options import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    TenantOption,
    check_output_option,
    open_home,
    operator_name,
    printable,
    progress_bar,
    show,
    storage_checked,
)
from offtake.cli.sources import (
    EncodingOption,
    FilesArgument,
    FormatOption,
    GlobOption,
    QueryOption,
    RecordsOption,
    SheetOption,
    encoding_named,
    expand,
)
from offtake.cli.tables import find_table
from offtake.cli.watching import WatchEveryOption, WatchOption, WatchUnchangedOption
from offtake.core.admin import identity
from offtake.core.loads import changes
from offtake.core.loads.changes import Target
from offtake.core.services import Services
from offtake.errors import ReversedTimespan, StateError
from offtake.lake.ingest.check import check as check_files
from offtake.lake.ingest.inputs.input_file import Input
from offtake.lake.ingest.options import LoadOptions, MaxRejects, parse_max_rejects
from offtake.lake.seed import SIZES, SeedPlan
from offtake.lake.seed import seed as seed_lake
from offtake.lake.seed.ownership import tables_with_other_rows
from offtake.lake.tables import Table, tables
from offtake.model.source import WatchPolicy
from offtake.model.timespan import Timespan

_SELDOM = ("left_out", "marked", "deleted")  # counts that are not printed if they are 0
_SIZES = ", ".join(f"{name} {calls:,}" for name, calls in SIZES.items())


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(seed)
    app.command()(load)


def seed(
    tenant: TenantOption,
    home: HomeOption = DEFAULT_HOME,
    days: Annotated[int, typer.Option(min=1, max=3660, help="Number of days; the last one is --until.")] = 31,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day. Default: today (UTC).")
    ] = None,
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
    only = [find_table(name).name for name in table or ()]
    services = open_home(home)
    identity.get_tenant(tenant, services)
    if not force:
        _require_own_rows(tenant, services)
    last = until.date() if until else datetime.now(UTC).date()
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


def _require_own_rows(tenant: str, on: Services) -> None:
    with storage_checked(on):
        found = tables_with_other_rows(on.lake, tenant, tables().values())
    if found:
        raise StateError(
            f"The tenant {tenant} has rows that are not sample data, or were seeded so long ago that the log of the "
            f"table no longer tells, in: {', '.join(found)}. Seed another tenant, or add the sample data to these rows "
            "with --force."
        )


def load(
    table: Annotated[str, typer.Argument(help="Table of the care data model; with --mapping it may be left out.")],
    tenant: TenantOption,
    files: FilesArgument = None,
    home: HomeOption = DEFAULT_HOME,
    mapping_file: MappingOption = None,
    renamed: MapOption = None,
    ignore_extra: IgnoreExtraOption = False,
    timezone: ZoneOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    decimal: DecimalOption = None,
    reject_to: Annotated[
        Path | None, typer.Option(help="Write the rejected rows, with reasons, to this file, readable by you only.")
    ] = None,
    max_rejects: Annotated[
        str,
        typer.Option(
            metavar="N|N%",
            help="Load the valid rows if at most so many rows, or percent of the rows, are rejected.",
        ),
    ] = "0",
    replace_window: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="FROM TO",
            help="Make this period of the event time exactly what the files say: stored rows in it that no file has "
            "are deleted, and rows outside it are rejected. Two instants such as 2026-03-01T00:00:00Z; TO is excluded.",
        ),
    ] = None,
    delete_column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Column of the files that marks rows to delete, with true, D or delete; of such a row only the key "
            "is read.",
        ),
    ] = None,
    complete_until: CompleteUntilOption = None,
    complete_until_newest: CompleteUntilNewestOption = False,
    lower_completeness: LowerCompletenessOption = False,
    check: Annotated[
        bool, typer.Option("--check", help="Read everything, change nothing, and list all faults by column.")
    ] = False,
    watch: WatchOption = None,
    watch_every: WatchEveryOption = 30.0,
    watch_unchanged: WatchUnchangedOption = 10.0,
    pattern: GlobOption = None,
    form: FormatOption = None,
    sheet: SheetOption = None,
    records: RecordsOption = None,
    query: QueryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load files into a table by upsert on its key. Unless --max-rejects permits it, a bad row stops the load.

    Nothing changes then. The load is recorded, and `offtake loads undo` undoes it. CSV, TSV, JSON, NDJSON, Parquet,
    Arrow and XLSX are read, text and Parquet also compressed (.gz, .zst).
    """
    mapping = read_or_identity(mapping_file)
    table, files = separate(table, files, mapping)
    model = find_table(table)
    mapping = adjust(
        mapping,
        model,
        renamed=renamed,
        ignore_extra=ignore_extra,
        timezone=timezone,
        decimal=decimal,
        reader={
            "delimiter": delimiter,
            "encoding": encoding_named(encoding),
            "sheet": sheet,
            "records": records,
            "query": query,
        },
    )
    options = LoadOptions(
        mapping=mapping,
        reject_to=reject_to,
        max_rejects=_max_rejects(max_rejects),
        period=_period(replace_window),
        delete_column=delete_column,
    )
    if options.period is not None and delete_column is not None:
        message = "a replaced period has no rows to mark; give one of the two options"
        raise typer.BadParameter(message, param_hint="--replace-window, --delete-column")
    completeness = declared(model, complete_until, newest=complete_until_newest, lowers=lower_completeness)
    services = open_home(home)
    identity.get_tenant(tenant, services)
    target = Target(tenant=tenant, table=model, actor=operator_name())
    if watch is not None:
        _refuse_with_watch([] if files == [model.name] else files, pattern, is_check=check, reject_to=reject_to)
        source = watching.ad_hoc_source(watch, pattern[0] if pattern else "*", target)
        policy = WatchPolicy(every=timedelta(seconds=watch_every), unchanged=timedelta(seconds=watch_unchanged))
        source = replace(source, form=form, options=options, completeness=completeness, policy=policy)
        watching.run(source, services)
        return
    found = expand(services, files, pattern or (), form)
    if check:
        _check(services, model, found.inputs, options, tenant=tenant, as_json=as_json)
        return
    if reject_to is not None:
        check_output_option("--reject-to", reject_to, home, inputs=[each.local for each in found.inputs if each.local])
    with storage_checked(services), progress_bar(f"Loading {table}", "{task.completed:,.0f} rows") as progress:
        task = progress.add_task("rows", total=None)
        done = changes.load(
            target,
            found.inputs,
            options,
            lambda rows: progress.update(task, completed=rows),
            services,
            completeness=completeness,
        )
    counts = done.stored.counts.as_mapping()
    lines = [f"{number:>10,} {name}" for name, number in counts.items() if number or name not in _SELDOM]
    show(
        {
            "table": table,
            "tenant": tenant,
            "load": done.id,
            "version": done.stored.version,
            "skipped": list(found.skipped),
            **counts,
        },
        as_json,
        "\n".join([*lines, f"load {done.id}"]),
    )


def _refuse_with_watch(
    files: Sequence[str], patterns: Sequence[str] | None, *, is_check: bool, reject_to: Path | None
) -> None:
    if files or is_check or reject_to is not None or len(patterns or ()) > 1:
        message = "takes no files, no --check, no --reject-to and one --glob at most"
        raise typer.BadParameter(message, param_hint="--watch")


def _check(
    services: Services, table: Table, files: Sequence[Input], options: LoadOptions, *, tenant: str, as_json: bool
) -> None:
    """Check files and print all faults. Exits with the code of the load that they would stop."""
    with progress_bar(f"Checking {table.name}", "{task.completed:,.0f} rows") as progress:
        task = progress.add_task("rows", total=None)
        report = check_files(
            services.lake,
            table,
            files,
            tenant=tenant,
            options=options,
            progress=lambda rows: progress.update(task, completed=rows),
        )
    result = {"table": table.name, "tenant": tenant} | check_report.as_object(report)
    show(result, as_json, printable(check_report.as_text(report)))
    if report.groups:
        raise typer.Exit(FILE_REFUSED if report.file_faults else ROWS_REFUSED)


def _max_rejects(text: str) -> MaxRejects:
    try:
        return parse_max_rejects(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}", param_hint="--max-rejects") from error


def _period(bounds: tuple[str, str] | None) -> Timespan | None:
    if bounds is None:
        return None
    try:
        start, end = (datetime.fromisoformat(text) for text in bounds)
        if start.tzinfo is not None and end.tzinfo is not None:
            return Timespan(start=start.astimezone(UTC), end=end.astimezone(UTC), zone="UTC")
    except (ValueError, OverflowError, ReversedTimespan):
        pass
    message = "needs two instants with an offset, such as 2026-03-01T00:00:00Z, the earlier one first"
    raise typer.BadParameter(message, param_hint="--replace-window")
