"""Create, poll and download over keep-alive HTTP, and the delay until a worker claims a job."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import httpx
import psutil

import nginx_process
from bench_export import BareCopy, job_times, run_copy
from bench_result import Measurement
from dialect_clients import Export, ExportClient, Job
from load_generator import Connection, Response, closed_loop, encode, open_loop

LOAD = "keep-alive load generator"
RATE = 50
CONNECTIONS = 8
DOWNLOADS = 5
ORDERS = 30
_COPIES = 5
_WAIT_SECONDS = 60


def claim_delay(client: ExportClient, state: Path, *, export: Export, jobs: int = 30) -> Measurement:
    """Time from the insertion of a job to the start of its attempt, on an idle server."""
    delays = []
    for _ in range(jobs):
        job = client.create(export)
        client.wait(job, poll_seconds=0.02)
        delays.append(job_times(state, job.id).waited * 1000)
    return Measurement(
        name="queued → running",
        measured=f"p50 {statistics.median(delays):.1f} ms, longest {max(delays):.1f} ms, {jobs} jobs one by one",
        value=statistics.median(delays),
        unit=" ms",
        budget=50,
    )


def create(client: ExportClient, *, export: Export, seconds: int) -> Measurement:
    """Create jobs at a steady rate, each request timed from the instant it was due, while workers run the jobs."""
    request = client.build_create(export)
    responses = open_loop(request, times=RATE * seconds, connections=CONNECTIONS, rate=RATE)
    _expect(responses, 202)
    times = sorted(response.seconds * 1000 for response in responses)
    p99 = times[int(len(times) * 0.99)]
    return Measurement(
        name=f"create, {RATE}/s for {seconds} s",
        measured=f"p50 {statistics.median(times):.1f} ms, p99 {p99:.1f} ms, longest {times[-1]:.1f} ms",
        against=LOAD,
        value=p99,
        unit=" ms",
        budget=50,
    )


def wait_for_small(client: ExportClient, state: Path, *, export: Export, copy: BareCopy) -> Measurement:
    """Order small exports one by one and wait for each in the same request, against the bare COPY of the same SQL."""
    request = client.build_create(export)
    request.headers["prefer"] = f"wait={_WAIT_SECONDS}"
    encoded, target = encode(request), state.with_name(f"small.{export.format}")
    copies = [run_copy(copy, export.format, target).seconds * 1000 for _ in range(_COPIES)]
    with Connection(request.url) as connection:
        responses = [connection.send(encoded) for _ in range(ORDERS)]
    _expect(responses, 200)  # 202: not ended yet
    query = statistics.median(copies)
    beyond = sorted(response.seconds * 1000 - query for response in responses)
    p95 = beyond[int(len(beyond) * 0.95)]
    return Measurement(
        name="small export with Prefer: wait",
        measured=f"p50 {statistics.median(beyond):.0f} ms, p95 {p95:.0f} ms beyond the query, {ORDERS} one by one",
        against=f"bare COPY {query:.0f} ms",
        value=p95,
        unit=" ms",
        budget=150,
    )


def poll(
    client: ExportClient, server_pid: int, *, job: Job, seconds: float, name: str = "status poll", status: int = 303
) -> Measurement:
    """Read the status of a finished job on several connections, without a pause."""
    server = psutil.Process(server_pid)
    request = client.build_status(job)
    before, began = server.cpu_times(), time.perf_counter()
    responses = closed_loop(request, connections=CONNECTIONS, seconds=seconds)
    took, after = time.perf_counter() - began, server.cpu_times()
    _expect(responses, status)
    used = after.user + after.system - before.user - before.system
    return Measurement(
        name=name,
        measured=f"{len(responses) / took:,.0f}/s; the server used {used / took:.2f} cores",
        against=f"{LOAD}, {CONNECTIONS} connections, on the same cores",
        value=len(responses) / used,
        unit="/s a core",
        budget=3000,
        at_most=False,
    )


def download(client: ExportClient, *, job: Job, file: Path, work: Path) -> Measurement:
    """Download a whole file from the server and from nginx in turn. ``file`` is the same file on disk."""
    command = nginx_process.installed()
    if command is None:
        speeds = [_download_speed(client.link(job)) for _ in range(DOWNLOADS)]
        return Measurement(
            name="download",
            measured=f"{statistics.median(speeds):,.0f} MB/s, {file.stat().st_size / 1e6:,.0f} MB",
            against="nginx is not installed: nothing to compare with",
        )
    offtake, nginx = [], []
    with nginx_process.serving(command, file.parent, work) as nginx_url:
        for _ in range(DOWNLOADS):
            nginx.append(_download_speed(f"{nginx_url}/{file.name}"))
            offtake.append(_download_speed(client.link(job)))
    speed, nginx_speed = statistics.median(offtake), statistics.median(nginx)
    return Measurement(
        name="download",
        measured=f"{speed:,.0f} MB/s, {file.stat().st_size / 1e6:,.0f} MB, median of {DOWNLOADS}",
        against=f"nginx {nginx_speed:,.0f} MB/s, same file",
        value=speed / nginx_speed,
        unit=" ×",
        budget=0.6,
        at_most=False,
    )


def _download_speed(link: str) -> float:
    """Return the speed of one download in MB/s."""
    request = httpx.Request("GET", link)
    with Connection(request.url) as connection:
        response = connection.send(encode(request))
    _expect([response], 200)
    return response.body_bytes / response.seconds / 1e6


def _expect(responses: Sequence[Response], status: int) -> None:
    statuses = Counter(response.status for response in responses)
    if set(statuses) != {status}:
        raise RuntimeError(f"expected only {status}, got {dict(statuses)}")
