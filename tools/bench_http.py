"""Creating, polling and downloading over HTTP with keep-alive, and how soon a worker takes a job up."""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil

import nginx_process
from bench_export import job_times
from bench_figure import Figure
from export_client import ExportClient, Order
from load_client import Answer, Connection, closed_loop, open_loop, request_bytes

CLIENT = "own keep-alive client"
RATE = 50
DOWNLOADS = 5


def pick_up(client: ExportClient, state: Path, *, order: Order, jobs: int = 30) -> Figure:
    """From the insertion of a job to the start of its attempt, with nothing else to do."""
    waits = []
    for _ in range(jobs):
        job = client.create(order)
        client.wait(order.report, job, pause=0.02)
        waits.append(job_times(state, job).waited * 1000)
    return Figure(
        what="queued → running",
        measured=f"p50 {statistics.median(waits):.1f} ms, longest {max(waits):.1f} ms, {jobs} jobs one by one",
        value=statistics.median(waits),
        unit=" ms",
        budget=50,
    )


def create(client: ExportClient, url: str, *, order: Order, seconds: int) -> Figure:
    """Creating at a steady rate, each request timed from the instant it was due, while workers run the jobs."""
    body = json.dumps(
        {"format": order.format, "timespan": {"from": order.start.isoformat(), "to": order.end.isoformat()}}
    )
    headers = {**client.headers(), "Content-Type": "application/json"}
    request = request_bytes("POST", f"{url}/data/reports/{order.report}/jobs", headers, body.encode())
    answers = open_loop(url, [request] * (RATE * seconds), connections=8, rate=RATE)
    _expect(answers, 202)
    times = sorted(answer.seconds * 1000 for answer in answers)
    p99 = times[int(len(times) * 0.99)]
    return Figure(
        what=f"create, {RATE}/s for {seconds} s",
        measured=f"p50 {statistics.median(times):.1f} ms, p99 {p99:.1f} ms, longest {times[-1]:.1f} ms",
        against=CLIENT,
        value=p99,
        unit=" ms",
        budget=50,
    )


def poll(client: ExportClient, url: str, server_pid: int, *, report: str, job: str, seconds: float) -> Figure:
    """Asking for the status of a finished job, eight connections, each again as soon as it is answered."""
    request = request_bytes("GET", f"{url}/data/reports/{report}/jobs/{job}", client.headers())
    server = psutil.Process(server_pid)
    before, began = server.cpu_times(), time.perf_counter()
    answers = closed_loop(url, request, connections=8, seconds=seconds)
    took, after = time.perf_counter() - began, server.cpu_times()
    _expect(answers, 303)
    used = after.user + after.system - before.user - before.system
    return Figure(
        what="status poll",
        measured=f"{len(answers) / took:,.0f}/s; the server used {used / took:.2f} cores",
        against=f"{CLIENT}, 8 connections, on the same cores",
        value=len(answers) / used,
        unit="/s a core",
        budget=3000,
        at_most=False,
    )


def download(client: ExportClient, url: str, *, files: str, file: Path, work: Path) -> Figure:
    """The whole file, ours and nginx's in turn."""
    command = nginx_process.installed()
    if command is None:
        speeds = [_fetch(url, client.link(files)) for _ in range(DOWNLOADS)]
        return Figure(
            what="download",
            measured=f"{statistics.median(speeds):,.0f} MB/s, {file.stat().st_size / 1e6:,.0f} MB",
            against="nginx is not installed: nothing to compare with",
        )
    ours, theirs = [], []
    with nginx_process.serving(command, file.parent, work) as other:
        for _ in range(DOWNLOADS):
            theirs.append(_fetch(other, f"{other}/{file.name}"))
            ours.append(_fetch(url, client.link(files)))
    speed, bare = statistics.median(ours), statistics.median(theirs)
    return Figure(
        what="download",
        measured=f"{speed:,.0f} MB/s, {file.stat().st_size / 1e6:,.0f} MB, median of {DOWNLOADS}",
        against=f"nginx {bare:,.0f} MB/s, same file",
        value=speed / bare,
        unit=" ×",
        budget=0.6,
        at_most=False,
    )


def _fetch(url: str, link: str) -> float:
    with Connection(url) as connection:
        answer = connection.ask(request_bytes("GET", link))
    _expect([answer], 200)
    return answer.body_bytes / answer.seconds / 1e6


def _expect(answers: Sequence[Answer], status: int) -> None:
    statuses = Counter(answer.status for answer in answers)
    if set(statuses) != {status}:
        raise RuntimeError(f"expected only {status}, got {dict(statuses)}")
