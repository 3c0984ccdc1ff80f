"""``offtake seed`` and ``offtake load``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from offtake.cli import check_report
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
    printable,
    progress_bar,
    show,
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
from offtake.core.admin import identity
from offtake.core.services import Services
from offtake.errors import StorageUnavailable, UnknownName
from offtake.lake.ingest.check import check as check_files
from offtake.lake.ingest.inputs.input_file import Input
from offtake.lake.ingest.load import load as load_files
from offtake.lake.ingest.mapping.definition import MappingDefinition
from offtake.lake.seed import SIZES, SeedPlan
from offtake.lake.seed import seed as seed_lake
from offtake.lake.tables import Table, tables

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
    as_json: JsonOption = False,
) -> None:
    """Fill every table with consistent sample data. A repeated run with the same options adds no rows."""
    if size not in SIZES:
        raise typer.BadParameter(f"{size!r} is not one of {', '.join(SIZES)}", param_hint="--size")
    only = [_table(name).name for name in table or ()]
    services = open_home(home)
    identity.get_tenant(tenant, services)
    last = until.date() if until else datetime.now(UTC).date()
    plan = SeedPlan(
        tenant=tenant, days=days, until=last, calls=calls or SIZES[size], seed=seed, clock_changes=clock_changes
    )
    with (
        _storage_checked(services),
        progress_bar("Generating sample data", "{task.percentage:>3.0f} %") as progress,
    ):
        task = progress.add_task("rows", total=None)
        seeded = seed_lake(
            services.lake, plan, lambda done, total: progress.update(task, completed=done, total=total), only=only
        )
    lines = [f"{rows:>10,} {table}" for table, rows in seeded.items()]
    show({"tenant": tenant, "until": last.isoformat(), "rows": dict(seeded)}, as_json, "\n".join(lines))


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
        Path | None, typer.Option(help="Load the valid rows and write the rejected ones, with reasons, to this file.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Read everything, change nothing, and list all faults by column.")
    ] = False,
    pattern: GlobOption = None,
    form: FormatOption = None,
    sheet: SheetOption = None,
    records: RecordsOption = None,
    query: QueryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load files into a table by upsert on its key. Without --reject-to, a bad row stops the load; nothing changes.

    CSV, TSV, JSON, NDJSON, Parquet, Arrow and XLSX are read, text and Parquet also compressed (.gz, .zst).
    """
    mapping = read_or_identity(mapping_file)
    table, files = separate(table, files, mapping)
    target = _table(table)
    mapping = adjust(
        mapping,
        target,
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
    services = open_home(home)
    identity.get_tenant(tenant, services)
    found = expand(services, files, pattern or (), form)
    if check:
        _check(services, target, found.inputs, mapping, tenant=tenant, as_json=as_json)
        return
    if reject_to is not None:
        check_output_option("--reject-to", reject_to, home, inputs=[each.local for each in found.inputs if each.local])
    with _storage_checked(services), progress_bar(f"Loading {table}", "{task.completed:,.0f} rows") as progress:
        task = progress.add_task("rows", total=None)
        counts = load_files(
            services.lake,
            target,
            found.inputs,
            tenant=tenant,
            mapping=mapping,
            reject_to=reject_to,
            progress=lambda rows: progress.update(task, completed=rows),
        )
    result = asdict(counts)
    show(
        {"table": table, "tenant": tenant, "skipped": list(found.skipped)} | result,
        as_json,
        "\n".join(f"{number:>10,} {name}" for name, number in result.items()),
    )


def _check(
    services: Services, table: Table, files: Sequence[Input], mapping: MappingDefinition, *, tenant: str, as_json: bool
) -> None:
    """Check files and print all faults. Exits with the code of the load that they would stop."""
    with progress_bar(f"Checking {table.name}", "{task.completed:,.0f} rows") as progress:
        task = progress.add_task("rows", total=None)
        report = check_files(
            services.lake,
            table,
            files,
            tenant=tenant,
            mapping=mapping,
            progress=lambda rows: progress.update(task, completed=rows),
        )
    result = {"table": table.name, "tenant": tenant} | check_report.as_object(report)
    show(result, as_json, printable(check_report.as_text(report)))
    if report.groups:
        raise typer.Exit(FILE_REFUSED if report.file_faults else ROWS_REFUSED)


@contextmanager
def _storage_checked(services: Services) -> Iterator[None]:
    """Check the lake's storage before the block. If the block cannot use the storage, raise an error that says why."""
    services.lake.storage.check()
    try:
        yield
    except StorageUnavailable:
        services.lake.storage.check(writing=True)
        raise


def _table(name: str) -> Table:
    table = tables().get(name)
    if table is None:
        raise UnknownName(f"There is no table {name}; the tables are {', '.join(tables())}.")
    return table
