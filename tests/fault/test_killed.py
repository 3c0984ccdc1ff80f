"""Processes killed at every point of an attempt: the job ends once, in the right state, with one complete file."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from offtake.core.attempt.run import POINTS
from offtake.core.exports import retention
from offtake.core.exports.create import create_export
from offtake.core.exports.manifest import read_manifest
from offtake.core.exports.read import JobRef
from offtake.errors import JobStateConflict
from offtake.model.request import Split
from offtake.model.timespan import Timespan
from tests.fixtures.exports import caller
from tests.fixtures.installation import Installation, Running, catches_sigterm
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import Credential, TalkdeskWire
from tests.fixtures.workers import BRIEF, doomed, run_next_attempt
from tests.fixtures.workers import CALLS as CALLS_REQUEST

CALLS = 20_000
START, END = "2026-02-15T00:00:00Z", "2026-03-15T00:00:00Z"


@pytest.fixture(scope="module")
def seeded(shared_installations: Callable[[str], Installation]) -> tuple[Installation, Credential]:
    """An installation with enough calls for a file of some megabytes."""
    made = shared_installations("killed")
    made.init(BRIEF)
    credential = made.add_tenant("acme")
    made.seed("acme", calls=CALLS, until=date(2026, 3, 14), days=28)
    return made, credential


@pytest.fixture(scope="module")
def server(seeded: tuple[Installation, Credential]) -> Iterator[Running]:
    """A server without workers; no test of this module kills it."""
    running = seeded[0].serve(workers=0)
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(seeded: tuple[Installation, Credential], server: Running) -> Iterator[TalkdeskWire]:
    """A client of that server."""
    connected = TalkdeskWire.connect(server.url, seeded[1])
    yield connected
    connected.close()


def row_of(made: Installation, job: str) -> dict[str, Any]:
    connection = sqlite3.connect(made.home / "state.db")
    connection.row_factory = sqlite3.Row
    try:
        return dict(connection.execute("SELECT * FROM job WHERE id = ?", (job,)).fetchone())
    finally:
        connection.close()


def counters_of(made: Installation) -> dict[tuple[str, str], int]:
    connection = sqlite3.connect(made.home / "state.db")
    try:
        rows = connection.execute("SELECT name, label, value FROM counter WHERE dialect = 'talkdesk'")
        return {(name, label): value for name, label, value in rows}
    finally:
        connection.close()


def files_of(made: Installation, job: str) -> list[Path]:
    return list((made.home / "artifacts").rglob(f"{job}*"))


def assert_one_whole_file(made: Installation, client: TalkdeskWire, job: str) -> None:
    row = row_of(made, job)
    content = client.download("calls", job).content
    assert hashlib.sha256(content).hexdigest() == row["sha256"]
    assert len(content) == row["bytes"]
    parsed = json.loads(content)
    assert parsed["total"] == len(parsed["entries"]) == row["rows"]
    assert len({entry["call_id"] for entry in parsed["entries"]}) == row["rows"] > CALLS // 2
    published = made.home / "artifacts" / row["artifact_key"]
    wait_for("the sweep of what the killed attempt left", lambda: files_of(made, job) == [published])


@pytest.mark.parametrize(
    ("point", "fate"),
    [(point, "kill") for point in POINTS if point != "moved"] + [("writing", "kill-after-bytes")],
)
def test_the_job_of_a_worker_killed_at_any_point_ends_with_one_complete_file(
    seeded: tuple[Installation, Credential], client: TalkdeskWire, point: str, fate: str
) -> None:
    made = seeded[0]
    job = client.create("calls", START, END)
    with doomed(made, point, fate) as victim:
        assert victim.process.wait(timeout=60) == -signal.SIGKILL
    row = row_of(made, job)
    if point == "published":
        assert row["status"] == "succeeded"
    else:
        assert row["status"] in ("running", "uploading")  # its lease has not expired
        assert client.http.get(f"/data/reports/calls/files/{job}", headers=client.headers).status_code == 404
    with made.services() as on:
        if point != "published":
            assert run_next_attempt(on).id == job
        retention.sweep(on)
    assert client.status("calls", job) == "done"
    assert row_of(made, job)["attempts"] == (1 if point == "published" else 2)
    assert_one_whole_file(made, client, job)


SPLIT = replace(CALLS_REQUEST, dialect="native", format="csv", split=Split(rows=CALLS // 4))


@pytest.mark.parametrize("point", ["staged", "moved", "renamed", "published"])
def test_an_export_of_several_files_has_all_of_them_or_no_manifest(
    seeded: tuple[Installation, Credential], server: Running, point: str
) -> None:
    """A worker is killed after it has written the files, moved the first of them, moved all, and published them."""
    made = seeded[0]
    span = Timespan(start=datetime.fromisoformat(START), end=datetime.fromisoformat(END), zone="UTC")
    with made.services() as on:
        job = create_export(replace(SPLIT, timespan=span), caller(), on)
        ref = JobRef(id=job.id, dialect="native")
        with doomed(made, point, "kill") as victim:
            assert victim.process.wait(timeout=60) == -signal.SIGKILL
        if point != "published":
            with pytest.raises(JobStateConflict):
                read_manifest(ref, caller(), on)
            assert run_next_attempt(on).id == job.id
        retention.sweep(on)
        _, manifest = read_manifest(ref, caller(), on)
        files = [made.home / "artifacts" / file.key for file in manifest.files]
        texts = [io.StringIO(path.read_bytes().decode(), newline="") for path in files]
        rows = [len(list(csv.DictReader(text))) for text in texts]
        assert rows == [file.rows for file in manifest.files]
        assert rows[:-1] == [CALLS // 4] * (len(rows) - 1)
        assert len(rows) >= 3
        assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in files] == [f.sha256 for f in manifest.files]
        wait_for("the sweep", lambda: sorted(files_of(made, job.id)) == sorted(files))


def test_a_worker_of_the_server_killed_during_an_export_is_replaced_and_the_job_succeeds(
    seeded: tuple[Installation, Credential],
) -> None:
    made, credential = seeded
    running = made.serve(workers=1)
    client = TalkdeskWire.connect(running.url, credential)
    job = client.create("calls", START, END)
    before = counters_of(made)
    wait_for("the export to begin", lambda: row_of(made, job)["status"] != "queued")
    (victim,) = running.workers()
    victim.kill()
    assert client.wait("calls", job) == "done"
    # Exact, although one attempt did not report its end.
    row, grown = row_of(made, job), {name: value - before.get(name, 0) for name, value in counters_of(made).items()}
    expected = {
        ("attempts", "succeeded"): 1,
        ("leases_lost", ""): 1,
        ("rows", ""): row["rows"],
        ("bytes", ""): row["bytes"],
    }
    assert {name: grown[name] for name in expected} == expected
    assert_one_whole_file(made, client, job)
    replacement = wait_for("a new worker", running.workers)
    assert replacement[0].pid != victim.pid
    client.close()
    assert running.stop() == 0


def test_a_server_killed_after_the_202_runs_the_job_after_its_restart(
    seeded: tuple[Installation, Credential],
) -> None:
    made, credential = seeded
    running = made.serve(workers=1)
    client = TalkdeskWire.connect(running.url, credential)
    job = client.create("calls", START, END)
    running.kill()
    client.close()
    again = made.serve(workers=1)
    client = TalkdeskWire.connect(again.url, credential)
    assert client.wait("calls", job) == "done"
    assert_one_whole_file(made, client, job)
    client.close()
    assert again.stop() == 0


def test_workers_do_not_outlive_a_killed_server(seeded: tuple[Installation, Credential]) -> None:
    running = seeded[0].serve(workers=2)
    workers = wait_for("both workers", lambda: running.workers() if len(running.workers()) == 2 else None)
    assert sum("--quick" in worker.cmdline() for worker in workers) == 1  # one worker is reserved for short exports
    running.process.kill()
    running.process.wait()
    gone, alive = psutil.wait_procs(workers, timeout=60)
    assert (len(gone), alive) == (2, [])
    assert running.process.stdout is not None
    running.process.stdout.close()


def test_the_workers_of_a_stopped_server_exit_with_0(seeded: tuple[Installation, Credential]) -> None:
    running = seeded[0].serve(workers=2)
    wait_for("both workers to idle", lambda: len(running.workers()) == 2)
    assert running.stop() == 0
    assert "Fatal Python error" not in running.log.read_text()


def test_a_worker_exits_with_0_on_sigterm_and_at_the_end_of_its_input(seeded: tuple[Installation, Credential]) -> None:
    command = [sys.executable, "-m", "offtake", "worker", "--home", str(seeded[0].home), "--stop-with-input"]
    for end in ("signal", "input"):
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        assert worker.stdin is not None
        assert worker.stderr is not None
        wait_for("the worker to listen", partial(catches_sigterm, worker.pid))
        if end == "signal":
            worker.terminate()
        else:
            worker.stdin.close()
        assert worker.wait(timeout=60) == 0
        assert b"Fatal" not in worker.stderr.read()
        worker.stdin.close()
        worker.stderr.close()
