"""`make bench`: speed and memory, measured in one run, as ratios beside the budgets.

Everything stays on this machine and its loopback interface. Figures differ from run to run; no test asserts them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from rich.console import Console

import bench_catalogue
import bench_export
import bench_home
import bench_http
import bench_jobs
import bench_reports
import bench_xlsx
from bench_export import Bare
from bench_figure import Figure, table
from bench_home import TENANT, BenchHome
from export_client import ExportClient, Order
from offtake.app import build_services
from offtake.catalogue.macros import MACROS
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

FORMATS = {"csv": "csv", "json": "json", "json_bulk": "json_lines"}  # on the wire, and inside
DIALECT = "talkdesk"
_WIDTH = 150  # of the table where there is no terminal to ask
# Creating at a steady rate must not meet the quota, which has tests of its own.
SETTINGS = {"OFFTAKE_TALKDESK__OPEN_JOBS": "1000000"}
REPORT = "calls"


def main() -> int:
    """Measure, print the table, write the figures if asked to."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    if options.catalogue:
        lines = bench_catalogue.measure(bench_home.prepare(options.folder, SIZES["medium"]))
        console.print(bench_catalogue.table(list(lines)))
        return 0
    if options.xlsx:
        return _workbooks(options, console)
    if options.jobs:
        return _jobs(options, console)
    needed = ("team", "queue", "agent", "call") if options.reports is None else ()
    home = bench_home.prepare(options.folder, options.calls, only=needed)
    figures: list[Figure] = []
    if options.reports is not None:
        return _reports(home, options, console)
    log = options.folder / "server.log"
    with serving(home.path, log, workers=1, settings=SETTINGS) as server, _client(server, home) as client:
        for format_name in FORMATS:
            with console.status(f"Exporting {options.calls:,} calls as {format_name}, against a bare COPY"):
                figures += _exports(client, server, home, format_name, options.runs)
        with console.status("Creating, polling and downloading"):
            figures += _http(client, server, home, options.folder, seconds=options.seconds)
    console.print(table(figures, f"{options.calls:,} calls, one run of everything"))
    if options.json:
        rows = [{**dataclasses.asdict(figure), "within": figure.within} for figure in figures]
        options.json.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    return 0


def _reports(home: BenchHome, options: argparse.Namespace, console: Console) -> int:
    """Every report over many rows, instead of everything else."""
    figures: list[Figure] = []
    with console.status("Running reports") as status:
        for found in bench_reports.measure(home, options.folder, rows=options.rows, only=options.reports):
            figures += found
            status.update(f"Running reports; the last was {found[0].what}: {found[0].measured}")
    console.print(table(figures, f"Reports over {options.rows:,} rows of their main tables"))
    return 0


def _workbooks(options: argparse.Namespace, console: Console) -> int:
    """Workbooks against other writers, instead of everything else."""
    with console.status("Writing workbooks with every writer: minutes"):
        for found in bench_xlsx.measure(options.folder / "xlsx", runs=options.runs):
            console.print(table(found, "Workbooks of the same rows"))
    return 0


def _jobs(options: argparse.Namespace, console: Console) -> int:
    """The job store on both databases, instead of everything else."""
    figures: list[Figure] = []
    with console.status("Creating, polling and running small jobs") as status:
        for found in bench_jobs.measure(options.folder / "jobs"):
            figures.append(found)
            console.print(f"{found.what}: {found.measured}")
            status.update(f"The last was {found.what}: {found.measured}")
    console.print(table(figures, "The job store on both databases"))
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
        help="list every report with its figures over the medium sample data instead",
    )
    parser.add_argument("--xlsx", action="store_true", help="measure workbooks against other writers instead")
    parser.add_argument("--jobs", action="store_true", help="measure the job store on both databases instead")
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows for --reports (default 10000000)")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    return parser.parse_args()


@contextmanager
def _client(server: Server, home: BenchHome) -> Iterator[ExportClient]:
    client = ExportClient(server.url, client_id=home.client_id, client_secret=home.client_secret)
    try:
        yield client
    finally:
        client.close()


def _exports(client: ExportClient, server: Server, home: BenchHome, format_name: str, runs: int) -> list[Figure]:
    order = Order(report=REPORT, format=format_name, start=home.start, end=home.end)
    bare = _bare(home, order)
    return bench_export.measure(client, server.pid, Home(home.path).state, order=order, bare=bare, runs=runs)


def _bare(home: BenchHome, order: Order) -> Bare:
    """The SQL, files and limits that the server's own attempt has, from the server's own code."""
    on = build_services(Home(home.path), load_settings(Home(home.path).settings))
    try:
        return _planned(on, order)
    finally:
        on.database.close()


def _planned(on: Services, order: Order) -> Bare:
    kind = format_named(FORMATS[order.format])
    request = ExportRequest(
        dialect=DIALECT,
        report=order.report,
        format=kind.name,
        timespan=Timespan(start=order.start, end=order.end, zone="UTC"),
        name="bench",
    )
    report = on.catalogue.reports[order.report]
    publication = on.catalogue.publications[DIALECT, order.report]
    layout = on.presentations[DIALECT].default(publication, request)
    query = plan(
        report,
        layout.shown,
        request,
        empty_text_is_null=kind.empty_text_is_null,
    )
    with snapshot(on.lake, report.tables, tenant=TENANT, start=order.start, end=order.end) as views:  # of a local lake
        pass
    return Bare(query=query, words=MACROS, views=views, threads=on.attempt.threads, memory_mb=on.attempt.memory_mb)


def _http(client: ExportClient, server: Server, home: BenchHome, folder: Path, *, seconds: int) -> list[Figure]:
    state, url = Home(home.path).state, server.url
    instant = Order(report=REPORT, format="json", start=home.start, end=home.start + timedelta(minutes=1))
    whole = Order(report=REPORT, format="json", start=home.start, end=home.end)
    job = client.create(whole)
    files = client.wait(REPORT, job)
    return [
        bench_http.pick_up(client, state, order=instant),
        bench_http.poll(client, url, server.pid, report=REPORT, job=job, seconds=seconds / 2),
        bench_http.download(client, url, files=files, file=_artifact(home, job), work=folder / "nginx"),
        bench_http.create(client, url, order=instant, seconds=seconds),
    ]


def _artifact(home: BenchHome, job: str) -> Path:
    """The published file of a job, so that nginx can serve the same bytes."""
    return next(Home(home.path).artifacts.glob(f"files/{TENANT}/{job}.*"))


if __name__ == "__main__":
    sys.exit(main())
