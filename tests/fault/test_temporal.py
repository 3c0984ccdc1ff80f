"""Temporal, its workers and its relay killed: no job is lost, run twice to its end, or counted twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import create_engine, func, select

from offtake.store.schema import job as job_table
from offtake.store.schema import outbox
from tests.fixtures.installation import Installation, Running
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import Credential, TalkdeskWire
from tests.fixtures.temporal import TemporalServer

CALLS = 20_000
START, END = "2026-02-15T00:00:00Z", "2026-03-15T00:00:00Z"
SETTINGS = """
executor = "temporal"
[worker]
heartbeat_seconds = 0.3
lease_seconds = 1.5
retry_seconds = 0
[temporal]
address = "{address}"
task_queue = "{queue}"
[maintenance]
redispatch_seconds = 1
"""


@pytest.fixture
def temporal(tmp_path: Path) -> Iterator[TemporalServer]:
    """A Temporal server that tests kill."""
    folder = tmp_path / "temporal"
    folder.mkdir()
    server = TemporalServer(folder)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def seeded(shared_installations: Callable[[str], Installation]) -> tuple[Installation, Credential]:
    """An installation with enough calls for a file of some megabytes."""
    made = shared_installations("killed-temporal")
    made.init()
    credential = made.add_tenant("acme")
    made.seed("acme", calls=CALLS, until=date(2026, 3, 14), days=28)
    return made, credential


@pytest.fixture
def home(seeded: tuple[Installation, Credential], temporal: TemporalServer, tmp_path: Path) -> Installation:
    """That installation with that Temporal server as its executor."""
    made = seeded[0]
    (made.home / "offtake.toml").write_text(SETTINGS.format(address=temporal.address, queue=tmp_path.name))
    return made


@pytest.fixture
def server(home: Installation) -> Iterator[Running]:
    """A server without workers."""
    running = home.serve(workers=0)
    yield running
    if running.process.poll() is None:
        assert running.stop() == 0


@pytest.fixture
def client(seeded: tuple[Installation, Credential], server: Running) -> Iterator[TalkdeskWire]:
    """A client of that server."""
    with TalkdeskWire.connect(server.url, seeded[1]) as connected:
        yield connected


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process for the length of the block."""
    started = subprocess.Popen([sys.executable, *arguments], stdin=subprocess.DEVNULL)
    try:
        yield started
    finally:
        started.send_signal(signal.SIGCONT)
        started.terminate()
        assert started.wait(timeout=60) in (0, -signal.SIGTERM, -signal.SIGKILL)


def worker(home: Installation) -> tuple[str, ...]:
    return ("-m", "offtake", "worker", "--home", str(home.home))


def script(name: str, home: Installation, *arguments: str) -> tuple[str, ...]:
    return (str(Path(__file__).parents[1] / "fixtures" / f"{name}.py"), str(home.home), *arguments)


def row_of(home: Installation, job: str) -> dict[str, Any]:
    engine = create_engine(f"sqlite:///{home.home / 'state.db'}")
    with engine.connect() as connection:
        row = connection.execute(select(job_table).where(job_table.c.id == job)).one()
    engine.dispose()
    return dict(row._mapping)


def is_suspended(home: Installation, job: str, pid: int) -> bool:
    """Whether that process is suspended while it has the job's lease."""
    return row_of(home, job)["fence"] == 1 and psutil.Process(pid).status() == psutil.STATUS_STOPPED


def messages(home: Installation) -> int:
    engine = create_engine(f"sqlite:///{home.home / 'state.db'}")
    with engine.connect() as connection:
        found = int(connection.execute(select(func.count()).select_from(outbox)).scalar_one())
    engine.dispose()
    return found


def assert_published_once(home: Installation, client: TalkdeskWire, job: str, *, attempts: int) -> None:
    row = row_of(home, job)
    assert row["attempts"] == attempts
    parsed = json.loads(client.download("calls", job).content)
    assert parsed["total"] == len({entry["call_id"] for entry in parsed["entries"]}) == row["rows"] > CALLS // 2
    published = home.home / "artifacts" / row["artifact_key"]
    files = home.home / "artifacts"
    wait_for("the sweep of what the killed attempt left", lambda: list(files.rglob(f"{job}*")) in ([published], []))
    assert published.is_file()


@pytest.mark.parametrize("point", ["claimed", "writing", "renamed", "published"])
def test_the_job_of_a_killed_worker_is_run_by_another(
    home: Installation, client: TalkdeskWire, temporal: TemporalServer, point: str
) -> None:
    job = client.create("calls", START, END)
    with process(*script("doomed_worker", home, point, "kill")) as doomed:
        assert doomed.wait(timeout=90) == -signal.SIGKILL
    with process(*worker(home)):
        assert client.wait("calls", job) == "done"
        assert temporal.ask(lambda client: client.get_workflow_handle(job).result()) == "succeeded"
        assert_published_once(home, client, job, attempts=1 if point == "published" else 2)


def test_a_suspended_worker_does_not_publish_a_job_that_another_has_claimed(
    home: Installation, client: TalkdeskWire
) -> None:
    job = client.create("calls", START, END)
    with process(*script("doomed_worker", home, "staged", "freeze")) as sleeper:
        wait_for("the worker to freeze", partial(is_suspended, home, job, sleeper.pid))
        with process(*worker(home)):
            assert client.wait("calls", job) == "done"
            before = row_of(home, job)
            os.kill(sleeper.pid, signal.SIGCONT)
            sleeper.terminate()
            assert sleeper.wait(timeout=90) == 0
            assert row_of(home, job) == before
            assert before["fence"] == 2
            assert_published_once(home, client, job, attempts=2)


def test_jobs_are_accepted_while_temporal_is_unavailable_and_run_afterwards(
    home: Installation, client: TalkdeskWire, temporal: TemporalServer
) -> None:
    before = client.create("calls", START, END)
    wait_for("the delivery of the message", lambda: messages(home) == 0)
    temporal.kill()
    away = [client.create("calls", START, END) for _ in range(2)]  # the response is 202
    assert [client.status("calls", job) for job in (before, *away)] == ["created"] * 3
    cancelled = client.create("calls", START, END)
    assert client.cancel("calls", cancelled).status_code == 204
    assert messages(home) == 4
    with process(*worker(home)):  # it starts without Temporal and waits for it
        temporal.start()
        assert [client.wait("calls", job) for job in (before, *away)] == ["done"] * 3
        wait_for("the delivery of all messages", lambda: messages(home) == 0)
    assert client.status("calls", cancelled) == "canceled"
    assert {row_of(home, job)["attempts"] for job in (before, *away)} == {1}


def test_an_attempt_completes_while_temporal_is_killed(
    home: Installation, client: TalkdeskWire, temporal: TemporalServer
) -> None:
    settings = home.home / "offtake.toml"
    settings.write_text(settings.read_text().replace("lease_seconds = 1.5", "lease_seconds = 20"))
    job = client.create("calls", START, END)
    with process(*script("doomed_worker", home, "staged", "freeze")) as held:
        wait_for("the worker to freeze", partial(is_suspended, home, job, held.pid))
        temporal.kill()
        held.send_signal(signal.SIGCONT)
        assert client.wait("calls", job) == "done"
        temporal.start()
        assert temporal.ask(lambda client: client.get_workflow_handle(job).result()) == "succeeded"
        assert_published_once(home, client, job, attempts=1)


def test_jobs_are_dispatched_again_to_a_temporal_that_lost_its_state(
    home: Installation, client: TalkdeskWire, temporal: TemporalServer
) -> None:
    forgotten = client.create("calls", START, END)
    wait_for("the delivery of the message", lambda: messages(home) == 0)
    temporal.kill()
    for file in temporal.folder.glob("temporal.db*"):
        file.unlink()
    temporal.start()
    fresh = client.create("calls", START, END)
    with process(*worker(home)):
        assert [client.wait("calls", job) for job in (forgotten, fresh)] == ["done", "done"]


def test_a_relay_killed_before_it_acknowledges_dispatches_the_job_once(
    home: Installation, seeded: tuple[Installation, Credential], temporal: TemporalServer
) -> None:
    with TalkdeskWire.connect(
        home.serve(workers=0, environment={"OFFTAKE_TEMPORAL__ADDRESS": "127.0.0.1:9"}).url, seeded[1]
    ) as client:
        job = client.create("calls", START, END)
    home.servers[-1].kill()
    make_due(home)
    with process(*script("dying_relay", home)) as relay:
        assert relay.wait(timeout=90) == -signal.SIGKILL
    assert messages(home) == 1
    assert temporal.state(job) is not None
    running = home.serve(workers=1)
    with TalkdeskWire.connect(running.url, seeded[1]) as client:
        assert client.wait("calls", job) == "done"
        wait_for("the message to be delivered again", lambda: messages(home) == 0)
        assert_published_once(home, client, job, attempts=1)
    assert running.stop() == 0


def make_due(home: Installation) -> None:
    """End the time for which the relay of a killed server keeps the messages that it claimed."""
    engine = create_engine(f"sqlite:///{home.home / 'state.db'}")
    with engine.begin() as connection:
        connection.execute(outbox.update().values(not_before=datetime.now(UTC) - timedelta(seconds=1)))
    engine.dispose()
