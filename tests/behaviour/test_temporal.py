"""Exports that Temporal dispatches: a dev server of Temporal, servers and workers, both databases."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus as Workflow

from offtake.core.exports.create import create_export
from offtake.model.job import Job, Status
from offtake.store import job_queries, outbox
from offtake.store.database import Database
from offtake.store.outbox import MessageKind
from tests.fixtures.commands import command
from tests.fixtures.databases import fresh_database, postgresql_server
from tests.fixtures.exports import EXPORT, caller
from tests.fixtures.installation import Installation, Running
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import Credential, TalkdeskWire
from tests.fixtures.temporal import TemporalServer

CALLS = 300
START, END = "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    """A server for all tests of this module; each installation has its own task queue."""
    server = TemporalServer(tmp_path_factory.mktemp("temporal"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server."""
    with postgresql_server(tmp_path_factory.mktemp("postgresql")) as url:
        yield url


def state_on(server: str) -> str:
    """Return the setting for a new database on that server."""
    url = fresh_database(server).replace("postgresql+psycopg://", "postgresql://", 1)
    return f'state_url = "{url}"\n'


def environment(temporal: TemporalServer, queue: str, **more: str) -> dict[str, str]:
    """Return variables that make Temporal the executor and override the settings."""
    address = {"OFFTAKE_TEMPORAL__ADDRESS": temporal.address, "OFFTAKE_TEMPORAL__TASK_QUEUE": queue}
    often = {f"OFFTAKE_MAINTENANCE__{task}_SECONDS": "1" for task in ("EXPIRE", "SWEEP", "REDISPATCH")}
    return {"OFFTAKE_EXECUTOR": "temporal", **often, **address, **more}


@dataclass(frozen=True, slots=True)
class Setup:
    """An installation, a client's credential, and a connection to the state database."""

    made: Installation
    credential: Credential
    database: Database

    @contextmanager
    def served(self, settings: dict[str, str], *, workers: int) -> Iterator[tuple[Running, TalkdeskWire]]:
        """Run a server with those settings, and connect a client."""
        running = self.made.serve(workers=workers, environment=settings)
        with TalkdeskWire.connect(running.url, self.credential) as client:
            yield running, client
        assert running.stop() == 0

    def row(self, job: str) -> Job:
        """Return the stored job."""
        with self.database.read() as connection:
            found = job_queries.get(connection, job)
        assert found is not None
        return found

    def is_outbox_empty(self) -> bool:
        """Whether all messages have been delivered to Temporal."""
        with self.database.read() as connection:
            return not outbox.is_due(connection, now=datetime.now(UTC) + timedelta(days=1))

    def message(self, job: str) -> None:
        """Add another message about the job, and wait for its delivery."""
        with self.database.write() as connection:
            outbox.add(connection, self.row(job), MessageKind.START, now=datetime.now(UTC))
        wait_for("the message to be delivered", self.is_outbox_empty)


@contextmanager
def stocked(made: Installation, settings: str = "") -> Iterator[Setup]:
    """A home with a month of calls."""
    made.init(settings)
    credential = made.add_tenant("acme")
    made.seed("acme", calls=CALLS, until=date(2026, 3, 31))
    with made.services() as on:
        yield Setup(made, credential, on.database)


@pytest.fixture(scope="module")
def sqlite_setup(shared_installations: Callable[[str], Installation]) -> Iterator[Setup]:
    """On SQLite."""
    with stocked(shared_installations("temporal-home")) as made:
        yield made


@pytest.fixture(scope="module")
def postgresql_setup(shared_installations: Callable[[str], Installation], postgresql: str) -> Iterator[Setup]:
    """On PostgreSQL."""
    with stocked(shared_installations("temporal-postgresql"), state_on(postgresql)) as made:
        yield made


def result(temporal: TemporalServer, workflow: str) -> Any:
    """Wait for the workflow to begin and to end; return its result."""
    wait_for("the workflow to begin", lambda: temporal.state(workflow) is not None)
    return temporal.ask(lambda client: client.get_workflow_handle(workflow).result())


def carried(temporal: TemporalServer, workflow: str) -> set[str]:
    """Return every value that Temporal stores of a workflow."""

    async def history(client: Any) -> str:
        found = await client.get_workflow_handle(workflow).fetch_history()
        return str(found.to_json())

    return {base64.b64decode(value).decode() for value in re.findall(r'"data": ?"([^"]+)"', temporal.ask(history))}


def events(server: Running, job: str) -> list[dict[str, Any]]:
    """Return the log lines of the job's attempts."""
    return [line for line in server.log_lines() if line["event"] == "attempt" and line["job"] == job]


def schedules(temporal: TemporalServer) -> list[str]:
    async def found(client: Any) -> list[str]:
        return [item.id async for item in await client.list_schedules()]

    ids: list[str] = temporal.ask(found)
    return ids


def check_an_export(setup: Setup, client: TalkdeskWire, temporal: TemporalServer) -> None:
    """A job is dispatched, run and published, and Temporal holds nothing but its id."""
    job = client.create("calls", START, END)
    assert client.wait("calls", job) == "done"
    assert client.download("calls", job).json()["total"] > CALLS // 2
    assert result(temporal, job) == "succeeded"
    wait_for("the outbox to be empty", setup.is_outbox_empty)
    assert result(temporal, job) == "succeeded"  # a message that arrived late starts another run of the workflow
    assert carried(temporal, job) == {f'{{"heartbeat_timeout":15.0,"job":"{job}"}}', f'"{job}"', '"succeeded"'}
    row = setup.row(job)
    assert (row.fence, row.attempts) == (1, 1)


def check_maintenance(setup: Setup, client: TalkdeskWire, temporal: TemporalServer) -> None:
    """Maintenance runs without a schedule in Temporal: it expires files and sweeps orphans."""
    job = client.create("calls", START, END)
    assert client.wait("calls", job) == "done"
    orphan = setup.made.home / "artifacts" / "files" / "acme" / f"{'0' * 36}.1.csv"
    orphan.write_text("of an attempt that no row knows")
    setup.made.outlive(job)
    wait_for("the file to expire", lambda: setup.row(job).status is Status.EXPIRED)
    wait_for("the sweep", lambda: not orphan.exists())
    assert schedules(temporal) == []


class TestOnPostgresql:
    """Tests that share one server and worker, because these take seconds to start with Temporal's library."""

    @pytest.fixture(scope="class")
    @classmethod
    def client(cls, postgresql_setup: Setup, temporal: TemporalServer) -> Iterator[TalkdeskWire]:
        with postgresql_setup.served(environment(temporal, "postgresql"), workers=1) as (_, client):
            yield client

    def test_a_job_is_dispatched_run_and_published(
        self, postgresql_setup: Setup, client: TalkdeskWire, temporal: TemporalServer
    ) -> None:
        check_an_export(postgresql_setup, client, temporal)

    def test_maintenance_needs_no_schedule_of_temporal(
        self, postgresql_setup: Setup, client: TalkdeskWire, temporal: TemporalServer
    ) -> None:
        check_maintenance(postgresql_setup, client, temporal)


class TestOnSqlite:
    """As above, with few attempts at short intervals."""

    @pytest.fixture(scope="class")
    @classmethod
    def served(cls, sqlite_setup: Setup, temporal: TemporalServer) -> Iterator[tuple[Running, TalkdeskWire]]:
        counted = {"OFFTAKE_WORKER__ATTEMPTS": "3", "OFFTAKE_WORKER__RETRY_SECONDS": "0.2"}
        with sqlite_setup.served(environment(temporal, "home", **counted), workers=1) as served:
            yield served

    def test_a_job_is_dispatched_run_and_published(
        self, sqlite_setup: Setup, served: tuple[Running, TalkdeskWire], temporal: TemporalServer
    ) -> None:
        check_an_export(sqlite_setup, served[1], temporal)

    def test_maintenance_needs_no_schedule_of_temporal(
        self, sqlite_setup: Setup, served: tuple[Running, TalkdeskWire], temporal: TemporalServer
    ) -> None:
        check_maintenance(sqlite_setup, served[1], temporal)

    def test_attempts_are_counted_by_the_row_and_the_last_ends_the_workflow(
        self, sqlite_setup: Setup, served: tuple[Running, TalkdeskWire], temporal: TemporalServer
    ) -> None:
        server, client = served
        staging = sqlite_setup.made.home / "artifacts" / "staging"
        assert client.wait("calls", client.create("calls", START, END)) == "done"  # the worker has created its folders
        staging.rename(staging.with_name("gone"))
        try:
            job = client.create("calls", START, END)
            assert client.wait("calls", job) == "failed"
        finally:
            staging.with_name("gone").rename(staging)
        assert result(temporal, job) == "failed"
        assert [line["outcome"] for line in events(server, job)] == ["retry", "retry", "failed"]
        row = sqlite_setup.row(job)
        assert (row.attempts, row.fence, row.failure and row.failure.code) == (3, 3, "storage_unavailable")


def test_jobs_created_with_temporal_run_without_it_and_vice_versa(
    sqlite_setup: Setup, temporal: TemporalServer
) -> None:
    settings = environment(temporal, "home")
    with sqlite_setup.served(settings, workers=0) as (_, client):
        dispatched = client.create("calls", START, END)
        wait_for("the workflow to begin", lambda: temporal.state(dispatched) is Workflow.RUNNING)
    with sqlite_setup.served({}, workers=1) as (_, client):
        assert client.wait("calls", dispatched) == "done"
    assert temporal.state(dispatched) is Workflow.RUNNING  # no message reports the outcome to it
    with sqlite_setup.made.services() as on:
        not_dispatched = [create_export(EXPORT, caller(), on).id for _ in range(2)]
    assert sqlite_setup.is_outbox_empty()
    with sqlite_setup.served(settings, workers=1):
        assert [result(temporal, job) for job in (dispatched, *not_dispatched)] == ["succeeded"] * 3
    assert {(row.fence, row.attempts) for row in map(sqlite_setup.row, (dispatched, *not_dispatched))} == {(1, 1)}


def test_a_duplicate_message_changes_nothing(sqlite_setup: Setup, temporal: TemporalServer) -> None:
    settings = environment(temporal, "home")

    with sqlite_setup.served(settings, workers=0) as (_, client):
        job = client.create("calls", START, END)
        wait_for("the workflow to begin", lambda: temporal.state(job) is Workflow.RUNNING)
        sqlite_setup.message(job)
    with sqlite_setup.served(settings, workers=1) as (_, client):
        assert client.wait("calls", job) == "done"
        before = sqlite_setup.row(job)
        assert result(temporal, job) == "succeeded"
        sqlite_setup.message(job)  # for a finished job, it starts another run of the workflow
        assert result(temporal, job) == "succeeded"
    assert sqlite_setup.row(job) == before
    assert (before.fence, before.attempts) == (1, 1)


def test_a_worker_on_another_machine_needs_settings_only(
    tmp_path: Path, postgresql: str, temporal: TemporalServer
) -> None:
    """Its home has its own settings, and links to the same lake and files."""
    state, temporals = state_on(postgresql), f'[temporal]\naddress = "{temporal.address}"\ntask_queue = "far"\n'
    near, far = Installation(tmp_path / "near"), Installation(tmp_path / "far")
    far.init(f'executor = "temporal"\n{state}{temporals}')
    for folder in ("lake", "artifacts"):
        (far.home / folder).rmdir()
        (far.home / folder).symlink_to(near.home / folder)
    command = [sys.executable, "-m", "offtake", "worker", "--home", str(far.home)]
    with (
        stocked(near, f'executor = "temporal"\n{state}{temporals}') as setup,
        setup.served({}, workers=0) as (_, client),
    ):
        worker = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            job = client.create("calls", START, END)
            assert client.wait("calls", job) == "done"
            assert client.download("calls", job).json()["total"] > CALLS // 2
        finally:
            worker.terminate()
            _, said = worker.communicate(timeout=60)
    assert (worker.returncode, b'"event": "attempt"' in said) == (0, True)


# --- exports that take seconds ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def slow(large: Installation) -> Iterator[Setup]:
    """An installation whose exports take seconds."""
    with large.services() as on:
        yield Setup(large, large.add_client("acme"), on.database)


class TestSlowExports:
    """Tests that share one server, and one worker that may run two attempts at once."""

    @pytest.fixture(scope="class")
    @classmethod
    def served(cls, slow: Setup, temporal: TemporalServer) -> Iterator[tuple[Running, TalkdeskWire]]:
        with slow.served(environment(temporal, "slow", OFFTAKE_TEMPORAL__ACTIVITIES="2"), workers=1) as served:
            yield served

    def test_a_cancel_interrupts_the_attempt_and_ends_the_workflow(
        self, slow: Setup, served: tuple[Running, TalkdeskWire], temporal: TemporalServer
    ) -> None:
        server, client = served
        job = client.create("calls", START, END)
        wait_for("the export to begin", lambda: client.status("calls", job) == "processing")
        assert client.cancel("calls", job).status_code == 204
        (line,) = wait_for("the attempt to be over", lambda: events(server, job))
        wait_for("the workflow to end", lambda: temporal.state(job) is not Workflow.RUNNING)
        assert (line["outcome"], line["attempt"]) == ("lease_lost", 1)
        assert slow.row(job).status is Status.CANCELLED
        assert list((slow.made.home / "artifacts").rglob(f"{job}*")) == []

    def test_a_worker_runs_as_many_concurrent_attempts_as_its_settings_allow(
        self, slow: Setup, served: tuple[Running, TalkdeskWire]
    ) -> None:
        """Runs after the test of a cancelled attempt, which must have freed its slot."""
        _, client = served
        both = [client.create("calls", START, END) for _ in range(2)]

        def at_once() -> bool:
            return [client.status("calls", job) for job in both] == ["processing", "processing"]

        wait_for("both to run", at_once)
        assert [client.wait("calls", job) for job in both] == ["done", "done"]
        assert [slow.row(job).attempts for job in both] == [1, 1]

    @pytest.mark.parametrize("how", ["cancel", "terminate"])
    def test_a_workflow_ended_by_hand_in_temporal_does_not_end_the_job(
        self, slow: Setup, served: tuple[Running, TalkdeskWire], temporal: TemporalServer, how: str
    ) -> None:
        _, client = served
        job = client.create("calls", START, END)
        wait_for("the export to begin", lambda: client.status("calls", job) == "processing")
        temporal.ask(lambda client: getattr(client.get_workflow_handle(job), how)())
        assert client.wait("calls", job) == "done"
        assert slow.row(job).attempts == 1


def test_a_cancel_before_any_worker_ends_the_workflow(slow: Setup, temporal: TemporalServer) -> None:
    with slow.served(environment(temporal, "cancel-early"), workers=0) as (_, client):
        job = client.create("calls", START, END)
        wait_for("the workflow to begin", lambda: temporal.state(job) is Workflow.RUNNING)
        assert client.cancel("calls", job).status_code == 204
    with slow.served(environment(temporal, "cancel-early"), workers=1):
        wait_for("the workflow to end", lambda: temporal.state(job) is not Workflow.RUNNING)
    assert slow.row(job).attempts == 0


def test_a_worker_that_shuts_down_requeues_its_job(slow: Setup, temporal: TemporalServer) -> None:
    settings = environment(temporal, "drain")
    with slow.served(settings, workers=1) as (server, client):
        job = client.create("calls", START, END)
        wait_for("the export to begin", lambda: client.status("calls", job) == "processing")
    assert [line["outcome"] for line in events(server, job)] == ["requeued"]
    requeued = slow.row(job)
    assert (requeued.status, requeued.attempts, requeued.fence) == (Status.QUEUED, 0, 1)
    with slow.served(settings, workers=1) as (_, client):
        assert client.wait("calls", job) == "done"
    done = slow.row(job)
    assert (done.attempts, done.fence) == (1, 2)


def test_the_api_key_of_temporal_is_not_logged(installation: Installation, temporal: TemporalServer) -> None:
    """The dev server does not support TLS, and the key is never sent without TLS, so every connection fails."""
    installation.init()
    credential = installation.add_tenant("acme")
    settings = environment(temporal, "secret", OFFTAKE_TEMPORAL__API_KEY="kept-to-ourselves")
    running = installation.serve(workers=1, environment=settings)
    with TalkdeskWire.connect(running.url, credential) as client:
        job = client.create("calls", START, END)
        away = wait_for(
            "both to find Temporal away",
            lambda: [
                line for line in running.log_lines() if line["event"] == "temporal_unreachable" and "worker" in line
            ],
        )
    assert away[0]["error"] == "not_accepted"
    assert temporal.state(job) is None
    assert running.stop() == 0
    shown = [
        command("config", "show", *flags, home=installation.home, environment=settings) for flags in ([], ["--json"])
    ]
    assert all(done.code == 0 and "api_key" in done.out for done in shown)
    assert "kept-to-ourselves" not in running.log.read_text() + "".join(done.out + done.err for done in shown)
