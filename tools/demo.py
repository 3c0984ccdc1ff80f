"""`make demo`: create sample data, start a server, export every report and format over HTTP, and verify each file.

All data is in one home folder, which each run empties first; the exported files stay in its ``downloads``. A folder
that no earlier demo made is never emptied.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
from deltalake import DeltaTable
from offtake_client import DialectClient, Offtake, OfftakeError
from rich.console import Console
from rich.table import Table

from exported_rows import WrongFileError, count_rows
from offtake_process import CommandError, run_for_json, run_visibly, serving

TENANT = "acme"
MARKER = ".made-by-demo"  # a file in the home folder
SPAN = timedelta(days=31)  # the longest timespan that the Talkdesk API allows
TALKDESK_FORMATS = ("csv", "json", "json_bulk")
LOOP_FORMATS = ("Json", "Xlsx")
NATIVE_FORMATS = ("parquet", "arrow", "ndjson", "xlsx")
ARRAYS = {("khoros", "json"), ("loop", "Json")}  # a JSON array without an object around it
DAY_INTERVAL = {"timeInterval": "86400000"}  # milliseconds; Khoros ignores it for reports without intervals
COMPANY_KEY, USER = "acme-c01", "pipeline@example.com"
# For counts that do not use Offtake: a report's table, and the condition for rows within the timespan.
INDEPENDENT_COUNT = {"calls": ("call", "ended_at >= $start AND ended_at < $end")}


class DemoError(Exception):
    """A file or the home folder is not as expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export; the words are those of the dialect, or of the native API. The timespan is half-open, in UTC."""

    report: str
    format: str
    start: datetime
    end: datetime
    options: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One verified export."""

    dialect: str
    export: Export
    rows: int
    seconds: float
    path: Path


def main() -> int:
    """Run the demo; exit code 0 when all files are verified."""
    options = _options()
    console = Console(stderr=False, width=None if sys.stdout.isatty() else 120)
    began = time.monotonic()
    try:
        results = _demo(options, console)
    except (DemoError, CommandError, OfftakeError, WrongFileError, duckdb.Error, OSError) as error:
        console.print(f"The demo failed: {error}", style="bold red", markup=False, highlight=False)
        return 1
    console.print(_table(results))
    console.print(_sizes(options.home), highlight=False)
    console.print(_next_steps(options.home, time.monotonic() - began), markup=False, highlight=False, soft_wrap=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--home",
        type=Path,
        default=Path("demo-home"),
        help="home folder; what an earlier demo left in it is deleted first (default demo-home; 3 GB)",
    )
    parser.add_argument("--calls", type=int, default=200_000, help="calls in the sample data (default 200000)")
    return parser.parse_args()


def _demo(options: argparse.Namespace, console: Console) -> list[Result]:
    home: Path = options.home
    today = datetime.now(UTC).date()  # read once, because midnight may pass during the run
    _empty(home)
    console.rule("Sample data")
    run_visibly("init", "--home", str(home))
    (home / MARKER).write_text("This home folder was made by `make demo`, whose next run deletes it.\n")
    with (home / "offtake.toml").open("a") as settings:  # sample data has no late rows
        settings.write("\n[talkdesk]\nfreshness_seconds = 0\n")
        settings.write("\n[khoros]\nrequests_per_minute = 0\n")
    run_visibly("tenant", "add", TENANT, "--home", str(home), "--company-key", COMPANY_KEY)
    run_visibly("seed", "--home", str(home), "--tenant", TENANT, "--calls", str(options.calls), "--until", str(today))
    credential = run_for_json("credential", "add", TENANT, "--home", str(home), "--kind", "oauth")
    user = run_for_json("credential", "add", TENANT, "--home", str(home), "--kind", "basic", "--user", USER)
    token = run_for_json("credential", "add", TENANT, "--home", str(home), "--kind", "token")
    console.rule("Exports over HTTP")
    with serving(home, home / "server.log") as server:
        console.print(f"The server answers at {server.url}", highlight=False)
        basic = (USER, user["password"], COMPANY_KEY)
        clients: dict[str, Offtake | DialectClient] = {
            "talkdesk": DialectClient(
                "talkdesk", server.url, client=(credential["client_id"], credential["client_secret"])
            ),
            "khoros": DialectClient("khoros", server.url, basic=basic),
            "loop": DialectClient("loop", server.url, token=token["token"]),
            "native": Offtake(server.url, token=token["token"]),
        }
        with ExitStack() as stack:
            for client in clients.values():
                stack.enter_context(client)
            exports = _exports(home, today)
            return [
                _export(dialect, client, home, export, console)
                for dialect, client in clients.items()
                for export in exports[dialect]
            ]


def _empty(home: Path) -> None:
    """Delete the home folder of an earlier demo. Raises DemoError for any other folder that is not empty."""
    if home.exists():
        if any(home.iterdir()) and not (home / MARKER).is_file():
            raise DemoError(f"{home} was not made by a demo and is not deleted; name another folder with --home")
        shutil.rmtree(home)


def _exports(home: Path, last_day: date) -> dict[str, list[Export]]:
    """Return the exports by dialect: every published report in alternating formats, and calls in all of Talkdesk's."""
    end = datetime.combine(last_day + timedelta(days=1), datetime.min.time(), tzinfo=UTC)
    reports = run_for_json("report", "list", "--home", str(home))["reports"]
    exports = {
        "loop": [Export(report="conversations", format=name, start=end - SPAN, end=end) for name in LOOP_FORMATS],
        "native": [Export(report="calls", format=name, start=end - SPAN, end=end) for name in NATIVE_FORMATS],
    }
    for dialect in ("talkdesk", "khoros"):
        slugs = sorted(report["slugs"][dialect] for report in reports if dialect in report["slugs"])
        pairs = [(slug, "json" if number % 2 else "csv") for number, slug in enumerate(slugs) if slug != "calls"]
        if "calls" in slugs:
            pairs = [*(("calls", name) for name in TALKDESK_FORMATS), *pairs]
        options = DAY_INTERVAL if dialect == "khoros" else {}
        exports[dialect] = [
            Export(report=report, format=name, start=end - SPAN, end=end, options=options) for report, name in pairs
        ]
    return exports


def _export(dialect: str, client: Offtake | DialectClient, home: Path, export: Export, console: Console) -> Result:
    with console.status(f"Exporting {export.report} as {export.format}"):
        began = time.monotonic()
        path = _download(client, export, home / "downloads")
        seconds = time.monotonic() - began
    with console.status(f"Verifying {path}"):
        rows = _verify(dialect, home, export, path)
    console.print(f"{export.report} as {export.format}: {rows:,} rows verified", highlight=False)
    return Result(dialect=dialect, export=export, rows=rows, seconds=seconds, path=path)


def _download(client: Offtake | DialectClient, export: Export, folder: Path) -> Path:
    """Return the file of an export, which matches its manifest, or the SHA-256 that the server states."""
    wanted: dict[str, Any] = {"start": export.start, "end": export.end, "format": export.format, "target": folder}
    if isinstance(client, Offtake):
        (path,) = client.export(export.report, **wanted).download()
        return path
    job = client.export(export.report, **wanted, options=export.options)
    (path,) = job.download()
    if job.downloaded is None or job.downloaded.checked != "sha-256":
        raise DemoError(f"{path}: the server stated no SHA-256")
    return path


def _verify(dialect: str, home: Path, export: Export, path: Path) -> int:
    """Return the file's rows. For some reports, compares them with the lake."""
    rows = count_rows(path, "json_array" if (dialect, export.format) in ARRAYS else export.format)
    if not rows:
        raise DemoError(f"{path} has no rows")
    if export.report in INDEPENDENT_COUNT:
        expected = _independent_count(home, export)
        if rows != expected:
            raise DemoError(f"{path} has {rows} rows, the lake has {expected}")
    return rows


def _independent_count(home: Path, export: Export) -> int:
    table, condition = INDEPENDENT_COUNT[export.report]
    files = [unquote(uri) for uri in DeltaTable(str(home / "lake" / table)).file_uris()]
    values = {"files": files, "tenant": TENANT, "start": export.start, "end": export.end}
    found = duckdb.execute(
        "SELECT count(*) FROM read_parquet($files, hive_partitioning = true, union_by_name = true)"
        f" WHERE tenant = $tenant AND {condition}",
        values,
    ).fetchone()
    assert found is not None
    return int(found[0])


def _table(results: list[Result]) -> Table:
    table = Table(
        title=f"Exports of every report and format; the files are in {results[0].path.parent}",
        title_justify="left",
    )
    for heading in ("dialect", "report", "format", "rows", "bytes", "seconds", "file"):
        table.add_column(
            heading, justify="right" if heading in ("rows", "bytes", "seconds") else "left", overflow="fold"
        )
    for result in results:
        table.add_row(
            result.dialect,
            result.export.report,
            result.export.format,
            f"{result.rows:,}",
            f"{result.path.stat().st_size:,}",
            f"{result.seconds:.2f}",
            result.path.name,
        )
    return table


def _sizes(home: Path) -> str:
    """Return the size of each folder of the home, in MB of 1,000,000 bytes, and how to remove them."""
    sizes = {
        folder: sum(path.stat().st_size for path in (home / folder).rglob("*") if path.is_file())
        for folder in ("lake", "artifacts", "downloads")
    }
    listed = ", ".join(f"{size / 1e6:,.0f} MB in {home / folder}" for folder, size in sizes.items())
    default = home == Path("demo-home")
    remedy = "make clean removes them" if default else f"remove them with: rm -r {shlex.quote(str(home))}"
    return f"The demo's files take {sum(sizes.values()) / 1e6:,.0f} MB: {listed}; {remedy}."


def _next_steps(home: Path, seconds: float) -> str:
    folder = shlex.quote(str(home))
    return f"""
All files were parsed to count their rows and compared with the server's checksums, in {seconds:.0f} s.

Next steps:
  .venv/bin/offtake serve --home {folder}                        # the same server, on port 8080
  .venv/bin/offtake credential add {TENANT} --home {folder} --kind oauth --json   # a credential
  .venv/bin/offtake --help                                        # all commands; the manual is docs/README.md"""


if __name__ == "__main__":
    sys.exit(main())
