"""Commands about exports: preview, get, jobs, watch, resume, verify, cancel."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from offtake_client import DownloadProgress, Export, Offtake, Verification
from offtake_client.cli import dialects
from offtake_client.cli.following import follow, left_running
from offtake_client.cli.options import (
    ColumnsOption,
    DialectOption,
    EndOption,
    JsonOption,
    LastOption,
    OrderOption,
    ProfileOption,
    QuietOption,
    StartOption,
    WhereOption,
    ZoneOption,
    conditions,
    connect,
    names,
    resume_command,
)
from offtake_client.cli.output import Output, size
from offtake_client.download import verify as verification
from offtake_client.errors import UnknownOption, VerificationFailed

ExportArgument = Annotated[str, typer.Argument(help="Id of the export, as offtake-client jobs lists it.")]
FolderOption = Annotated[Path, typer.Option("--output", "-o", help="Folder of the files.")]
AnyFormat = Literal["parquet", "arrow", "csv", "ndjson", "json", "xlsx", "json_bulk"]  # json_bulk: of Talkdesk
_MOST_LISTED = 50


def preview(
    report: Annotated[str, typer.Argument(help="Name of the report.")],
    last: LastOption = None,
    start: StartOption = None,
    end: EndOption = None,
    timezone: ZoneOption = "UTC",
    columns: ColumnsOption = None,
    where: WhereOption = [],  # noqa: B006 - typer copies it
    order: OrderOption = None,
    rows: Annotated[int, typer.Option("--rows", min=1, max=100, help="Most rows.")] = 10,
    profile: ProfileOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show the first rows of an export, without creating it."""
    output = Output(json, quiet)
    with connect(profile, output) as offtake:
        found = offtake.preview(
            report,
            last=last,
            start=start,
            end=end,
            timezone=timezone,
            columns=names(columns),
            where=conditions(where, report, offtake),
            order=names(order) or (),
            rows=rows,
        )
    output.table(found, [column.name for column in found.columns], found.rows)
    for notice in found.notices:
        output.note(notice.detail)


def get(
    report: Annotated[str, typer.Argument(help="Name of the report.")],
    folder: FolderOption = Path(),
    last: LastOption = None,
    start: StartOption = None,
    end: EndOption = None,
    timezone: ZoneOption = "UTC",
    columns: ColumnsOption = None,
    where: WhereOption = [],  # noqa: B006 - typer copies it
    order: OrderOption = None,
    format: Annotated[  # noqa: A002
        AnyFormat | None,
        typer.Option("--format", "-f", help="Format of the files; by default parquet, or that of the dialect."),
    ] = None,
    connections: Annotated[int, typer.Option("--connections", min=1, max=16, help="Parallel downloads.")] = 4,
    cancel_on_exit: Annotated[
        bool, typer.Option("--cancel-on-exit", help="At Ctrl-C, cancel the export instead of leaving it running.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check the request and estimate the export; nothing is created.")
    ] = False,
    dialect: DialectOption = None,
    option: Annotated[
        list[str],
        typer.Option("--option", help="With --dialect: a further member of its request, as name=value. Repeatable."),
    ] = [],  # noqa: B006 - typer copies it
    profile: ProfileOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Create an export, wait for it and download its files.

    Run the same command again after it was broken off: it finds its export and goes on where it stopped.
    """
    output = Output(json, quiet)
    if dialect is not None:
        dialects.refuse({"--columns": columns, "--where": where, "--order": order, "--dry-run": dry_run})
        span = {"last": last, "start": start, "end": end, "timezone": timezone}
        wanted = {**span, "format": format, "options": dialects.members(option)}
        with dialects.connect(dialect, profile, output) as client:
            dialects.get(client, report, wanted, folder, output, connections, is_cancelled=cancel_on_exit)
        return
    if option:
        raise UnknownOption("--option is for --dialect.", "Use --columns, --where and --order.")
    with connect(profile, output) as offtake:
        given: dict[str, Any] = {
            "last": last,
            "start": start,
            "end": end,
            "timezone": timezone,
            "columns": names(columns),
            "where": conditions(where, report, offtake),
            "order": names(order) or (),
            "format": format or "parquet",
        }
        if dry_run:
            found = offtake.estimate(report, **given)
            guess = f"about {found.rows} rows, {size(found.bytes)}" if found.rows is not None else "of unknown size"
            output.result(found, f"The request is valid; its export would have {guess}. Nothing was created.")
            return
        export = offtake.export(report, **given, target=folder)
        output.note(f"Export {export.id}")
        with left_running(export, resume_command(folder), output, cancel_on_exit):
            _fetch(export, folder, output, connections)


def _fetch(export: Export, folder: Path, output: Output, connections: int) -> None:
    """Wait for an export, download its files and print them."""
    follow(export, output)
    with output.progress("downloading") as advance:

        def moved(state: DownloadProgress) -> None:
            advance(state.bytes, state.total, f"{size(state.bytes)} of {size(state.total)}")

        paths = export.download(folder, connections=connections, on_progress=moved)
    result = {"export": export.id, "rows": export.info.rows, "bytes": export.info.bytes, "files": paths}
    output.result(result, *map(str, paths))
    output.note(f"{export.info.rows} rows, {size(export.info.bytes)}; every file matches its manifest.")
    for notice in export.info.notices:
        output.note(notice.detail)


def jobs(
    report: Annotated[str | None, typer.Option("--report", help="Only exports of this report.")] = None,
    state: Annotated[str | None, typer.Option("--state", help="Only exports in this state.")] = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="Most exports.")] = _MOST_LISTED,
    dialect: DialectOption = None,
    profile: ProfileOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """List your exports, newest first."""
    output = Output(json, quiet)
    if dialect is not None:
        dialects.refuse({"--state": state})
        dialects.list_jobs(dialect, report, number, profile, output)
        return
    with connect(profile, output) as offtake:
        found = [export.info for export in islice(offtake.exports(report=report, state=state), number)]
    rows = [
        (
            info.id,
            info.state,
            info.report,
            info.format,
            f"{info.created_at:%Y-%m-%d %H:%M}",
            info.rows,
            size(info.bytes),
        )
        for info in found
    ]
    output.table({"exports": found}, ("export", "state", "report", "format", "created", "rows", "size"), rows)


def watch(
    export: ExportArgument,
    dialect: DialectOption = None,
    profile: ProfileOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Follow an export until it has ended."""
    output = Output(json, quiet)
    if dialect is not None:
        with dialects.connect(dialect, profile, output) as client:
            job = client.find_export(export)
            follow(job, output)
        output.result(job.info, f"{job.id}: {job.state}")
        return
    with connect(profile, output) as offtake:
        found = offtake.find_export(export)
        follow(found, output)
    output.result(found.info, f"{found.id}: {found.state}, {found.info.rows} rows, {size(found.info.bytes)}")


def resume(
    target: Annotated[str, typer.Argument(help="Folder of a download that was broken off, or id of an export.")],
    folder: Annotated[
        Path | None, typer.Option("--output", "-o", help="With the id of an export: folder of its files.")
    ] = None,
    connections: Annotated[int, typer.Option("--connections", min=1, max=16, help="Parallel downloads.")] = 4,
    dialect: DialectOption = None,
    profile: ProfileOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Go on with the downloads of a folder, or download an export."""
    output = Output(json, quiet)
    chosen = Path(target) if folder is None and Path(target).is_dir() else folder or Path()
    if dialect is not None:
        with dialects.connect(dialect, profile, output) as client:
            dialects.resume(client, None if chosen == Path(target) else target, chosen, output, connections)
        return
    with connect(profile, output) as offtake:
        found = _exports_of(target, chosen, offtake)
        if not found:
            output.result({"files": []}, dialects.NOTHING.format(chosen))
        for export in found:
            with left_running(export, resume_command(chosen), output, False):
                _fetch(export, chosen, output, connections)


def _exports_of(target: str, chosen: Path, offtake: Offtake) -> list[Export]:
    if chosen == Path(target):
        return list(offtake.unfinished(chosen))
    if "/" in target:
        raise UnknownOption(f"{target} is no folder, and no id of an export.", "offtake-client jobs lists exports.")
    return [offtake.find_export(target)]


def verify(
    target: Annotated[Path, typer.Argument(help="A file, or a folder that offtake-client get wrote.")],
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare files with the stored manifest, without a server.

    A file of a dialect has no manifest. It is compared with the record of its download, which says what the server
    stated of it: a checksum, or only its size.
    """
    output = Output(json, quiet)
    with output.progress("verifying") as advance:
        done: list[Verification] = []

        def checked(file: Verification) -> None:
            done.append(file)
            advance(len(done), None, file.path.name)

        found = verification.verify(target, checked)
    wrong = [file for file in found if file.fault]
    output.result({"files": found, "passed": not wrong}, *map(_verdict, found))
    if wrong:
        raise VerificationFailed(
            f"{len(wrong)} of {len(found)} files do not match the manifest or the record of their download.",
            f"Download them again: offtake-client resume {target if target.is_dir() else target.parent}",
        )


def _verdict(file: Verification) -> str:
    if file.fault or file.checked == "manifest":
        return f"{file.path}: {file.fault or 'correct'}"
    return f"{file.path}: unchanged since the download, when {dialects.CHECKED[file.checked]}"


def cancel(
    export: ExportArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be cancelled.")] = False,
    dialect: DialectOption = None,
    profile: ProfileOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """End an export that has not ended."""
    output = Output(json, quiet)
    client = connect(profile, output) if dialect is None else dialects.connect(dialect, profile, output)
    with client:
        found = client.find_export(export)
        if not dry_run:
            found.cancel()
    would = "would be cancelled" if found.info.is_open else "has ended already"
    output.result(found.info, f"{found.id}: {found.state}{f', {would}' if dry_run else ''}")
