"""`make demo`: sample data, a real server, exports of every report and format by an ordinary client, all verified.

Everything happens in one folder that is made afresh each time; the files stay there to be looked at.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import duckdb
import httpx
from deltalake import DeltaTable
from rich.console import Console
from rich.table import Table

from export_client import ClientError, Download, ExportClient, Order
from exported_rows import WrongFileError, count_rows
from khoros_client import KhorosClient
from loop_client import LoopClient
from offtake_process import CommandError, run_for_json, run_visibly, serving

TENANT = "acme"
SPAN = timedelta(days=31)  # the longest the API allows
FORMATS = {"csv": "csv", "json": "json", "json_bulk": "ndjson"}
LOOP_FORMATS = {"Json": "json", "Xlsx": "xlsx"}
ARRAYS = {("khoros", "json"), ("loop", "Json")}  # in a bare array, without an envelope
COMPANY_KEY, USER = "acme-c01", "pipeline@example.com"
# A report's rows counted without the product: which table, and which rows lie in the timespan.
INDEPENDENT_COUNT = {"calls": ("call", "ended_at >= $start AND ended_at < $end")}


class DemoError(Exception):
    """Something did not match what was promised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One export, verified."""

    dialect: str
    order: Order
    rows: int
    seconds: float
    file: Download


def main() -> int:
    """Run the demo; the exit code says whether everything matched."""
    options = _options()
    console = Console(stderr=False, width=None if sys.stdout.isatty() else 120)
    began = time.monotonic()
    try:
        results = _demo(options, console)
    except (DemoError, CommandError, ClientError, WrongFileError, httpx.HTTPError, duckdb.Error, OSError) as error:
        console.print(f"The demo failed: {error}", style="bold red", markup=False, highlight=False)
        return 1
    console.print(_table(results))
    console.print(_how_to_go_on(options.home, time.monotonic() - began), markup=False, highlight=False, soft_wrap=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("demo-home"), help="home folder, emptied first")
    parser.add_argument("--calls", type=int, default=200_000, help="calls to make up (default 200000)")
    return parser.parse_args()


def _demo(options: argparse.Namespace, console: Console) -> list[Result]:
    home: Path = options.home
    today = datetime.now(UTC).date()  # asked once: midnight may pass while we work
    _empty(home)
    console.rule("Sample data")
    run_visibly("init", "--home", str(home))
    with (home / "offtake.toml").open("a") as settings:  # made-up data has no rows that arrive late
        settings.write("\n[talkdesk]\nfreshness_seconds = 0\n")
        settings.write("\n[khoros]\nrequests_per_minute = 0\n")  # nor does anybody want to wait
    run_visibly("tenant", "add", TENANT, "--home", str(home), "--company-key", COMPANY_KEY)
    run_visibly("seed", "--home", str(home), "--tenant", TENANT, "--calls", str(options.calls), "--until", str(today))
    credential = run_for_json("credential", "add", TENANT, "--home", str(home), "--kind", "oauth")
    user = run_for_json("credential", "add", TENANT, "--home", str(home), "--kind", "basic", "--user", USER)
    token = run_for_json("credential", "add", TENANT, "--home", str(home), "--kind", "token")
    console.rule("Exports over HTTP")
    with serving(home, home / "server.log") as server:
        console.print(f"The server answers at {server.url}", highlight=False)
        talkdesk = ExportClient(
            server.url, client_id=credential["client_id"], client_secret=credential["client_secret"]
        )
        khoros = KhorosClient(server.url, company_key=COMPANY_KEY, user=USER, password=user["password"])
        loop = LoopClient(server.url, token=token["token"])
        clients: dict[str, ExportClient | KhorosClient | LoopClient] = {
            "talkdesk": talkdesk,
            "khoros": khoros,
            "loop": loop,
        }
        try:
            orders = _orders(home, today)
            return [
                _export(dialect, client.fetch, home, order, console)
                for dialect, client in clients.items()
                for order in orders[dialect]
            ]
        finally:
            for client in clients.values():
                client.close()


def _empty(home: Path) -> None:
    """Remove the folder of an earlier demo, and nothing else."""
    if home.exists():
        if any(home.iterdir()) and not (home / "offtake.toml").is_file():
            raise DemoError(f"{home} exists and is no home folder of Offtake; name another with --home")
        shutil.rmtree(home)


def _orders(home: Path, last_day: date) -> dict[str, list[Order]]:
    """By dialect: every report that it publishes, in one format or the other; calls in every format of Talkdesk."""
    end = datetime.combine(last_day + timedelta(days=1), datetime.min.time(), tzinfo=UTC)
    reports = run_for_json("report", "list", "--home", str(home))["reports"]
    conversations = [Order(report="conversations", format=name, start=end - SPAN, end=end) for name in LOOP_FORMATS]
    found = {"loop": conversations}
    for dialect in ("talkdesk", "khoros"):
        slugs = sorted(report["slugs"][dialect] for report in reports if dialect in report["slugs"])
        wanted = [(slug, "json" if number % 2 else "csv") for number, slug in enumerate(slugs) if slug != "calls"]
        if "calls" in slugs:
            wanted = [*(("calls", name) for name in FORMATS), *wanted]
        found[dialect] = [Order(report=report, format=name, start=end - SPAN, end=end) for report, name in wanted]
    return found


def _export(
    dialect: str, fetch: Callable[[Order, Path], Download], home: Path, order: Order, console: Console
) -> Result:
    downloads = home / "downloads"
    downloads.mkdir(exist_ok=True)
    with console.status(f"Exporting {order.report} as {order.format}"):
        began = time.monotonic()
        name = order.report.rpartition("/")[2]
        file = fetch(order, downloads / f"{dialect}-{name}.{(FORMATS | LOOP_FORMATS)[order.format]}")
        seconds = time.monotonic() - began
    with console.status(f"Verifying {file.path}"):
        rows = _verify(dialect, home, order, file)
    console.print(f"{order.report} as {order.format}: {rows:,} rows verified", highlight=False)
    return Result(dialect=dialect, order=order, rows=rows, seconds=seconds, file=file)


def _verify(dialect: str, home: Path, order: Order, file: Download) -> int:
    """Rows by parsing the file, against a count that does not go through the product; checksum against the ETag."""
    rows = count_rows(file.path, "json_array" if (dialect, order.format) in ARRAYS else order.format)
    if not rows:
        raise DemoError(f"{file.path} has no rows")
    if file.etag != file.sha256:
        raise DemoError(f"{file.path}: the sha-256 of the bytes is {file.sha256}, the server's ETag says {file.etag}")
    if order.report in INDEPENDENT_COUNT:
        expected = _independent_count(home, order)
        if rows != expected:
            raise DemoError(f"{file.path} has {rows} rows, the lake has {expected}")
    return rows


def _independent_count(home: Path, order: Order) -> int:
    table, condition = INDEPENDENT_COUNT[order.report]
    files = [unquote(uri) for uri in DeltaTable(str(home / "lake" / table)).file_uris()]
    values = {"files": files, "tenant": TENANT, "start": order.start, "end": order.end}
    found = duckdb.execute(
        "SELECT count(*) FROM read_parquet($files, hive_partitioning = true, union_by_name = true)"
        f" WHERE tenant = $tenant AND {condition}",
        values,
    ).fetchone()
    assert found is not None
    return int(found[0])


def _table(results: list[Result]) -> Table:
    table = Table(
        title=f"Exports of every report and format; the files are in {results[0].file.path.parent}",
        title_justify="left",
    )
    for heading in ("dialect", "report", "format", "rows", "bytes", "seconds", "file"):
        table.add_column(
            heading, justify="right" if heading in ("rows", "bytes", "seconds") else "left", overflow="fold"
        )
    for result in results:
        table.add_row(
            result.dialect,
            result.order.report,
            result.order.format,
            f"{result.rows:,}",
            f"{result.file.bytes:,}",
            f"{result.seconds:.2f}",
            result.file.path.name,
        )
    return table


def _how_to_go_on(home: Path, seconds: float) -> str:
    folder = shlex.quote(str(home))
    return f"""
Rows were counted by parsing each file, checksums compared with the server's; all of it took {seconds:.0f} s.

How to go on:
  .venv/bin/offtake serve --home {folder}                        # the same server, on port 8080
  .venv/bin/offtake credential add {TENANT} --home {folder} --kind oauth --json   # a way in
  .venv/bin/offtake --help                                        # everything else; the manual is docs/README.md"""


if __name__ == "__main__":
    sys.exit(main())
