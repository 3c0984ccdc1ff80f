"""Commands about exports: preview, get, jobs, watch, resume, verify, cancel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from offtake_client import DownloadProgress, Export, Offtake, Verification
from offtake_client.cli.exits import INTERRUPTED
from offtake_client.cli.options import (
    ColumnsOption,
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
)
from offtake_client.cli.output import Output, size
from offtake_client.download import verify as verification
from offtake_client.errors import UnknownOption, VerificationFailed
from offtake_client.export_request import Format

ExportArgument = Annotated[str, typer.Argument(help="Id of the export, as offtake-client jobs lists it.")]
FolderOption = Annotated[Path, typer.Option("--output", "-o", help="Folder of the files.")]
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
    format: Annotated[Format, typer.Option("--format", "-f", help="Format of the files.")] = "parquet",  # noqa: A002
    connections: Annotated[int, typer.Option("--connections", min=1, max=16, help="Parallel downloads.")] = 4,
    cancel_on_exit: Annotated[
        bool, typer.Option("--cancel-on-exit", help="At Ctrl-C, cancel the export instead of leaving it running.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check the request and estimate the export; nothing is created.")
    ] = False,
    profile: ProfileOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Create an export, wait for it and download its files.

    Run the same command again after it was broken off: it finds its export and goes on where it stopped.
    """
    output = Output(json, quiet)
    with connect(profile, output) as offtake:
        given: dict[str, Any] = {
            "last": last,
            "start": start,
            "end": end,
            "timezone": timezone,
            "columns": names(columns),
            "where": conditions(where, report, offtake),
            "order": names(order) or (),
            "format": format,
        }
        if dry_run:
            found = offtake.estimate(report, **given)
            guess = f"about {found.rows} rows, {size(found.bytes)}" if found.rows is not None else "of unknown size"
            output.result(found, f"The request is valid; its export would have {guess}. Nothing was created.")
            return
        export = offtake.export(report, **given, target=folder)
        output.note(f"Export {export.id}")
        with _left_running(export, folder, output, cancel_on_exit):
            _fetch(export, folder, output, connections)


def _fetch(export: Export, folder: Path, output: Output, connections: int) -> None:
    """Wait for an export, download its files and print them."""
    _follow(export, output)
    with output.progress("downloading") as advance:

        def moved(state: DownloadProgress) -> None:
            advance(state.bytes, state.total, f"{size(state.bytes)} of {size(state.total)}")

        paths = export.download(folder, connections=connections, on_progress=moved)
    result = {"export": export.id, "rows": export.info.rows, "bytes": export.info.bytes, "files": paths}
    output.result(result, *map(str, paths))
    output.note(f"{export.info.rows} rows, {size(export.info.bytes)}; every file matches its manifest.")
    for notice in export.info.notices:
        output.note(notice.detail)


def _follow(export: Export, output: Output) -> None:
    """Show the progress of an export until it has ended. Raises ExportFailed if it has no files."""
    with output.progress(f"{export.info.report}") as advance:
        for update in export.progress():
            position = f", {update.position} in the queue" if update.position else ""
            rows = f", {update.rows} rows" if update.rows is not None else ""
            total = None if update.percent is None else 100.0
            advance(update.percent or 0.0, total, f"{update.phase}{position}{rows}")
    export.wait()


@contextmanager
def _left_running(export: Export, folder: Path, output: Output, is_cancelled: bool) -> Iterator[None]:
    """At Ctrl-C, cancel the export, or say how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        if is_cancelled and export.refresh().is_open:
            export.cancel()
            output.note(f"Interrupted. The export {export.id} is cancelled.")
        else:
            output.note(f"Interrupted. The export {export.id} stays; go on with: offtake-client resume {folder}")
        raise typer.Exit(INTERRUPTED) from None


def jobs(
    report: Annotated[str | None, typer.Option("--report", help="Only exports of this report.")] = None,
    state: Annotated[str | None, typer.Option("--state", help="Only exports in this state.")] = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="Most exports.")] = _MOST_LISTED,
    profile: ProfileOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """List your exports, newest first."""
    output = Output(json, quiet)
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
    export: ExportArgument, profile: ProfileOption = None, json: JsonOption = False, quiet: QuietOption = False
) -> None:
    """Follow an export until it has ended."""
    output = Output(json, quiet)
    with connect(profile, output) as offtake:
        found = offtake.find_export(export)
        _follow(found, output)
    output.result(found.info, f"{found.id}: {found.state}, {found.info.rows} rows, {size(found.info.bytes)}")


def resume(
    target: Annotated[str, typer.Argument(help="Folder of a download that was broken off, or id of an export.")],
    folder: Annotated[
        Path | None, typer.Option("--output", "-o", help="With the id of an export: folder of its files.")
    ] = None,
    connections: Annotated[int, typer.Option("--connections", min=1, max=16, help="Parallel downloads.")] = 4,
    profile: ProfileOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Go on with the downloads of a folder, or download an export."""
    output = Output(json, quiet)
    chosen = Path(target) if folder is None and Path(target).is_dir() else folder or Path()
    with connect(profile, output) as offtake:
        found = _exports_of(target, chosen, offtake)
        if not found:
            output.result({"files": []}, f"Nothing is to be resumed in {chosen}: every file is complete.")
        for export in found:
            with _left_running(export, chosen, output, False):
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
    """Compare files with the stored manifest, without a server."""
    output = Output(json, quiet)
    with output.progress("verifying") as advance:
        done: list[Verification] = []

        def checked(file: Verification) -> None:
            done.append(file)
            advance(len(done), None, file.path.name)

        found = verification.verify(target, checked)
    wrong = [file for file in found if file.fault]
    output.result({"files": found, "passed": not wrong}, *(f"{file.path}: {file.fault or 'correct'}" for file in found))
    if wrong:
        raise VerificationFailed(
            f"{len(wrong)} of {len(found)} files do not match the manifest.",
            f"Download them again: offtake-client resume {target if target.is_dir() else target.parent}",
        )


def cancel(
    export: ExportArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be cancelled.")] = False,
    profile: ProfileOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """End an export that has not ended."""
    output = Output(json, quiet)
    with connect(profile, output) as offtake:
        found = offtake.find_export(export)
        if not dry_run:
            found.cancel()
    would = "would be cancelled" if found.info.is_open else "has ended already"
    output.result(found.info, f"{found.id}: {found.state}{f', {would}' if dry_run else ''}")
