"""`make bench`: measure speed and memory in one run, as ratios with their budgets.

All traffic stays on the loopback interface. Results differ from run to run, and no test asserts them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from datetime import timedelta
from pathlib import Path

from rich.console import Console

import bench_catalogue
import bench_export
import bench_home
import bench_http
import bench_jobs
import bench_previews
import bench_reports
import bench_sweep
import bench_xlsx
from bench_export import BareCopy
from bench_home import TENANT, BenchHome
from bench_result import Measurement, table
from dialect_clients import Export, ExportClient, Job, NativeClient, TalkdeskClient
from offtake.app import build_services
from offtake.catalogue.macros import MACROS
from offtake.core.presentation import layout_of
from offtake.core.services import Services
from offtake.engine.plan import plan
from offtake.formats import format_named
from offtake.home import Home
from offtake.lake.seed import SIZES
from offtake.lake.snapshot import snapshot
from offtake.model.request import ExportRequest
from offtake.model.timespan import Timespan
from offtake.settings import load_settings
from offtake_process import Server, serving

FORMATS = {"csv": "csv", "json": "json", "json_bulk": "json_lines"}  # the dialect's name: the format's own
DIALECT = "talkdesk"
NATIVE_FORMATS = {"parquet": "parquet"}  # the same for the native API
_WIDTH = 150  # of the table without a terminal
# Jobs created at a steady rate must not reach the quota, which has its own tests.
SETTINGS = {"OFFTAKE_TALKDESK__OPEN_JOBS": "1000000"}
REPORT = "calls"
_SMALL = timedelta(hours=1)  # of an export that a client waits for in the request


def main() -> int:
    """Measure, print the table, and write the results if ``--json`` is given."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    if options.catalogue:
        lines = bench_catalogue.measure(bench_home.prepare(options.folder, SIZES["medium"]))
        console.print(bench_catalogue.table(list(lines)))
        return 0
    if options.sweep:
        return _sweep(options, console)
    if options.xlsx:
        return _workbooks(options, console)
    if options.jobs:
        return _jobs(options, console)
    needed = ("team", "queue", "agent", "call") if options.reports is None else ()
    home = bench_home.prepare(options.folder, options.calls, only=needed)
    measurements: list[Measurement] = []
    if options.reports is not None:
        return _reports(home, options, console)
    log = options.folder / "server.log"
    with serving(home.path, log, workers=1, settings=SETTINGS) as server, _client(server, home) as client:
        for format_name in FORMATS:
            with console.status(f"Exporting {options.calls:,} calls as {format_name}, against a bare COPY"):
                measurements += _exports(client, server, home, FORMATS[format_name], format_name, options.runs)
        with _native_client(server, client) as native:
            for format_name, own_name in NATIVE_FORMATS.items():
                with console.status(f"Exporting {options.calls:,} calls as {format_name}, against a bare COPY"):
                    measurements += _exports(native, server, home, own_name, format_name, options.runs)
            with console.status("Polling and waiting for small exports"):
                measurements += _native_http(native, server, home, seconds=options.seconds)
        with console.status("Creating, polling and downloading"):
            measurements += _http(client, server, home, options.folder, seconds=options.seconds)
    with console.status("Previewing"):
        measurements.append(bench_previews.measure(home, calls=options.calls))
    console.print(table(measurements, f"{options.calls:,} calls, one run of everything"))
    if options.json:
        rows = [{**dataclasses.asdict(measurement), "within": measurement.within} for measurement in measurements]
        options.json.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    return 0


def _reports(home: BenchHome, options: argparse.Namespace, console: Console) -> int:
    """Measure every report over many rows, and nothing else."""
    measurements: list[Measurement] = []
    with console.status("Running reports") as status:
        for found in bench_reports.measure(home, options.folder, rows=options.rows, only=options.reports):
            measurements += found
            status.update(f"Running reports; the last was {found[0].name}: {found[0].measured}")
    console.print(table(measurements, f"Reports over {options.rows:,} rows of their main tables"))
    return 0


def _sweep(options: argparse.Namespace, console: Console) -> int:
    """Export lakes of every size and shape with every memory, and nothing else. Return 1 if an export fails."""
    sweep = bench_sweep.Sweep(
        sizes=options.sizes, memories=options.memory, shapes=options.shapes, formats=options.formats
    )
    measurements: list[Measurement] = []
    with console.status("Exporting lakes of every size (takes hours)"):
        for found in bench_sweep.measure(options.folder, sweep):
            measurements.append(found)
            console.print(f"{found.name}: {found.measured}")
    console.print(table(measurements, "Failed exports by size, shape and memory"))
    return int(any(not measurement.within for measurement in measurements))


def _workbooks(options: argparse.Namespace, console: Console) -> int:
    """Measure workbooks against other writers, and nothing else."""
    with console.status("Writing workbooks with every writer (takes minutes)"):
        for found in bench_xlsx.measure(options.folder / "xlsx", runs=options.runs):
            console.print(table(found, "Workbooks of the same rows"))
    return 0


def _jobs(options: argparse.Namespace, console: Console) -> int:
    """Measure the job store on both databases, and nothing else."""
    measurements: list[Measurement] = []
    with console.status("Creating, polling and running small jobs") as status:
        for found in bench_jobs.measure(options.folder / "jobs"):
            measurements.append(found)
            console.print(f"{found.name}: {found.measured}")
            status.update(f"The last was {found.name}: {found.measured}")
    console.print(table(measurements, "The job store on both databases"))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--calls", type=int, default=1_000_000, help="calls to export (default 1000000, the API's limit)"
    )
    parser.add_argument("--runs", type=int, default=3, help="exports per format (default 3)")
    parser.add_argument("--seconds", type=int, default=10, help="length of the load on the API (default 10)")
    parser.add_argument("--folder", type=Path, default=Path(".bench"), help="where data is kept between runs")
    parser.add_argument(
        "--reports", nargs="*", metavar="REPORT", help="measure these reports (none named: all) over many rows instead"
    )
    parser.add_argument(
        "--catalogue",
        action="store_true",
        help="list every report with its measurements over the medium sample data instead",
    )
    parser.add_argument("--xlsx", action="store_true", help="measure workbooks against other writers instead")
    parser.add_argument("--jobs", action="store_true", help="measure the job store on both databases instead")
    parser.add_argument("--sweep", action="store_true", help="export lakes of every size, shape and memory instead")
    for name, default, meaning in (
        ("--sizes", bench_sweep.SIZES, "conversations of the lakes of --sweep"),
        ("--memory", bench_sweep.MEMORIES, "memory of the attempts of --sweep in MiB; 0: the default of the settings"),
    ):
        parser.add_argument(name, type=int, nargs="+", default=default, help=meaning)
    for name, known in (("--shapes", bench_sweep.SHAPES), ("--formats", bench_sweep.FORMATS)):
        parser.add_argument(name, nargs="+", choices=known, default=known, help=f"{name[2:]} of --sweep")
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows for --reports (default 10000000)")
    parser.add_argument("--json", type=Path, help="write the measurements to this file, too")
    return parser.parse_args()


def _client(server: Server, home: BenchHome) -> TalkdeskClient:
    return TalkdeskClient(server.url, client_id=home.client_id, client_secret=home.client_secret)


def _native_client(server: Server, client: TalkdeskClient) -> NativeClient:
    """Return a client of the native API with the access token of another client."""
    return NativeClient(server.url, token=client.headers["Authorization"].removeprefix("Bearer "))


def _exports(
    client: ExportClient, server: Server, home: BenchHome, own_name: str, format_name: str, runs: int
) -> list[Measurement]:
    export = Export(report=REPORT, format=format_name, start=home.start, end=home.end)
    copy = _bare_copy(home, export, client.dialect, own_name)
    return bench_export.measure(client, server.pid, Home(home.path).state, export=export, copy=copy, runs=runs)


def _bare_copy(home: BenchHome, export: Export, dialect: str, own_name: str) -> BareCopy:
    """Return the SQL, files and limits of the server's own attempt, from the server's code."""
    on = build_services(Home(home.path), load_settings(Home(home.path).settings))
    try:
        return _planned(on, export, dialect, own_name)
    finally:
        on.database.close()


def _planned(on: Services, export: Export, dialect: str, own_name: str) -> BareCopy:
    file_format = format_named(own_name)
    request = ExportRequest(
        dialect=dialect,
        report=export.report,
        format=file_format.name,
        timespan=Timespan(start=export.start, end=export.end, zone="UTC"),
        name="bench",
    )
    report = on.catalogue.reports[export.report]
    publication = on.catalogue.publications[dialect, export.report]
    layout = layout_of(publication, request, on.presentations[dialect].default)
    query = plan(
        report,
        layout.shown,
        request,
        empty_text_is_null=file_format.empty_text_is_null,
    )
    # The lake is local.
    with snapshot(on.lake, report.tables, tenant=TENANT, start=export.start, end=export.end) as views:
        pass
    return BareCopy(query=query, macros=MACROS, views=views, threads=on.attempt.threads, memory_mb=on.attempt.memory_mb)


def _http(client: TalkdeskClient, server: Server, home: BenchHome, folder: Path, *, seconds: int) -> list[Measurement]:
    short = Export(report=REPORT, format="json", start=home.start, end=home.start + timedelta(minutes=1))
    full = Export(report=REPORT, format="json", start=home.start, end=home.end)
    job = client.create(full)
    client.wait(job)
    return [
        bench_http.claim_delay(client, Home(home.path).state, export=short),
        bench_http.poll(client, server.pid, job=job, seconds=seconds / 2),
        bench_http.download(client, job=job, file=_artifact(home, job), work=folder / "nginx"),
        bench_http.create(client, export=short, seconds=seconds),
    ]


def _native_http(client: NativeClient, server: Server, home: BenchHome, *, seconds: int) -> list[Measurement]:
    small = Export(report=REPORT, format="csv", start=home.start, end=home.start + _SMALL)
    job = client.create(small)
    client.wait(job)
    copy = _bare_copy(home, small, client.dialect, "csv")
    return [
        bench_http.poll(client, server.pid, job=job, seconds=seconds / 2, name="native status poll", status=200),
        bench_http.wait_for_small(client, Home(home.path).state, export=small, copy=copy),
    ]


def _artifact(home: BenchHome, job: Job) -> Path:
    """Return the published file of a job, for nginx to serve."""
    return next(Home(home.path).artifacts.glob(f"files/{TENANT}/{job.id}.*"))


if __name__ == "__main__":
    sys.exit(main())
