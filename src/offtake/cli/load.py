"""``offtake load``."""

from __future__ import annotations

from datetime import timedelta
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
from offtake.cli.installation import check_output_option, open_home, storage_checked
from offtake.cli.mapping_options import (
    DecimalOption,
    DelimiterOption,
    IgnoreExtraOption,
    MapOption,
    MappingOption,
    ZoneOption,
    adjust,
    read_or_identity,
    reader_options,
    separate,
)
from offtake.cli.options import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    TenantOption,
    operator_name,
    printable,
    progress_bar,
    show,
)
from offtake.cli.row_options import (
    CheckOption,
    DeleteColumnOption,
    MaxRejectsOption,
    RejectToOption,
    ReplaceWindowOption,
    permitted_rejects,
    replaced_period,
)
from offtake.cli.sources import (
    EncodingOption,
    FilesArgument,
    FormatOption,
    GlobOption,
    QueryOption,
    RecordsOption,
    SheetOption,
    expand,
)
from offtake.cli.tables import find_table
from offtake.cli.watching import WatchEveryOption, WatchOption, WatchUnchangedOption
from offtake.core.admin import identity
from offtake.core.loads import changes
from offtake.core.loads.changes import Target
from offtake.core.services import Services
from offtake.lake.ingest.check import check as check_files
from offtake.lake.ingest.expand import Expansion
from offtake.lake.ingest.options import LoadOptions
from offtake.model.load import Completeness
from offtake.model.source import WatchPolicy

_SELDOM = ("left_out", "marked", "deleted")  # counts that are not printed if they are 0


def load(
    tenant: TenantOption,
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="TABLE",
            help="Table of the care data model; with --mapping it may be left out.",
            show_default=False,
        ),
    ] = None,
    files: FilesArgument = None,
    home: HomeOption = DEFAULT_HOME,
    mapping_file: MappingOption = None,
    renamed: MapOption = None,
    ignore_extra: IgnoreExtraOption = False,
    timezone: ZoneOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    decimal: DecimalOption = None,
    reject_to: RejectToOption = None,
    max_rejects: MaxRejectsOption = "0",
    replace_window: ReplaceWindowOption = None,
    delete_column: DeleteColumnOption = None,
    complete_until: CompleteUntilOption = None,
    complete_until_newest: CompleteUntilNewestOption = False,
    lower_completeness: LowerCompletenessOption = False,
    check: CheckOption = False,
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
    name, files = separate(table, files, mapping, has_pattern=bool(pattern) or watch is not None)
    model = find_table(name)
    reader = reader_options(delimiter=delimiter, encoding=encoding, sheet=sheet, records=records, query=query)
    options = LoadOptions(
        mapping=adjust(
            mapping,
            model,
            renamed=renamed,
            ignore_extra=ignore_extra,
            timezone=timezone,
            decimal=decimal,
            reader=reader,
        ),
        reject_to=reject_to,
        max_rejects=permitted_rejects(max_rejects),
        period=replaced_period(replace_window, delete_column),
        delete_column=delete_column,
    )
    completeness = declared(model, complete_until, newest=complete_until_newest, lowers=lower_completeness)
    services = open_home(home)
    identity.get_tenant(tenant, services)
    target = Target(tenant=tenant, table=model, actor=operator_name())
    if watch is not None:
        policy = WatchPolicy(every=timedelta(seconds=watch_every), unchanged=timedelta(seconds=watch_unchanged))
        source = watching.source(
            watch, target, options, files=files, patterns=pattern or (), form=form, is_check=check, policy=policy
        )
        watching.run(source, completeness, services)
        return
    found = expand(services, files, pattern or (), form)
    if check:
        _check(services, target, found, options, as_json=as_json)
        return
    if reject_to is not None:
        check_output_option("--reject-to", reject_to, home, inputs=[each.local for each in found.inputs if each.local])
    _load(services, target, found, options, completeness, as_json=as_json)


def _load(
    services: Services,
    target: Target,
    found: Expansion,
    options: LoadOptions,
    completeness: Completeness | None,
    *,
    as_json: bool,
) -> None:
    """Load files and print the counts of rows."""
    name = target.table.name
    with storage_checked(services), progress_bar(f"Loading {name}", "{task.completed:,.0f} rows") as progress:
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
    lines = [f"{number:>10,} {count}" for count, number in counts.items() if number or count not in _SELDOM]
    result = {"table": name, "tenant": target.tenant, "load": done.id, "version": done.stored.version}
    show({**result, "skipped": list(found.skipped), **counts}, as_json, "\n".join([*lines, f"load {done.id}"]))


def _check(services: Services, target: Target, found: Expansion, options: LoadOptions, *, as_json: bool) -> None:
    """Check files and print all faults. Exits with the code of the load that they would stop."""
    name = target.table.name
    with progress_bar(f"Checking {name}", "{task.completed:,.0f} rows") as progress:
        task = progress.add_task("rows", total=None)
        report = check_files(
            services.lake,
            target.table,
            found.inputs,
            tenant=target.tenant,
            options=options,
            progress=lambda rows: progress.update(task, completed=rows),
        )
    result = {"table": name, "tenant": target.tenant} | check_report.as_object(report)
    show(result, as_json, printable(check_report.as_text(report)))
    if report.groups:
        raise typer.Exit(FILE_REFUSED if report.file_faults else ROWS_REFUSED)
