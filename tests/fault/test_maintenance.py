"""The maintenance while workers are busy, killed or shut down: real processes, on either database."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from offtake.core.admin import worker_registry
from offtake.store.schema import leader
from tests.fixtures.care import call
from tests.fixtures.databases import DATABASES, fresh_database, state_setting
from tests.fixtures.installation import Installation
from tests.fixtures.polling import wait_for
from tests.fixtures.workers import BRIEF, create_job, doomed, job_row, run_next_attempt, worker

OFTEN = "[maintenance]\nexpire_seconds = 1\nsweep_seconds = 1\n"


@pytest.fixture(params=DATABASES)
def home(request: pytest.FixtureRequest, installation: Installation) -> Installation:
    """An installation with a tenant and a call."""
    state = ""
    if request.param == "postgresql":
        state = state_setting(fresh_database(request.getfixturevalue("postgresql")))
    installation.init(f"{state}\n{BRIEF}{OFTEN}")
    installation.add_tenant("acme")
    installation.load("call", [call("c1", "2026-03-02T10:00:00Z")], tenant="acme")
    return installation


def holder(home: Installation) -> str | None:
    """Return the name of the process that leads."""
    with home.database() as database, database.read() as connection:
        found: str | None = connection.execute(select(leader.c.holder)).scalar_one_or_none()
    return found


def expire_and_orphan(home: Installation, finished: str) -> Path:
    """End the retention of that job's file, and create a file that no job references."""
    home.outlive(finished)
    orphan = home.home / "artifacts" / "files" / "acme" / f"{'0' * 36}.1.json"
    orphan.write_text("left by an attempt")
    return orphan


def worked_off(home: Installation) -> str:
    """Create a job, run it without a worker process, and return its id."""
    job = create_job(home)
    with home.services() as on:
        assert run_next_attempt(on).id == job
    return job


def alive(home: Installation) -> int:
    """Return the number of live workers."""
    with home.services() as on:
        return worker_registry.count_alive(on, within=timedelta(minutes=1))


def test_jobs_are_rescued_files_expired_and_swept_while_every_worker_is_busy(home: Installation) -> None:
    finished = worked_off(home)
    orphan = expire_and_orphan(home, finished)
    busy = create_job(home)
    with doomed(home, "writing", "hold") as held:  # the only process; no server runs
        wait_for("the worker to be busy", lambda: job_row(home, busy)["status"] == "running")
        killed = create_job(home)
        with doomed(home, "writing", "kill") as dying:
            assert dying.process.wait(60) == -signal.SIGKILL
        assert job_row(home, killed)["fence"] == 1
        wait_for("the rescue", lambda: job_row(home, killed)["status"] == "queued")
        wait_for("the expiry", lambda: job_row(home, finished)["status"] == "expired")
        wait_for("the sweep", lambda: not orphan.exists())
        assert held.lines("attempt") == []  # still busy
        held.process.send_signal(signal.SIGUSR1)
        wait_for("both jobs", lambda: {job_row(home, job)["status"] for job in (busy, killed)} == {"succeeded"})
        assert [job_row(home, job)["attempts"] for job in (busy, killed)] == [1, 2]
        assert held.stop() == 0


def test_another_process_takes_over_from_a_leader_that_is_killed_and_one_at_a_time_leads(home: Installation) -> None:
    with worker(home, "first") as first:
        wait_for("the first to lead", lambda: first.lines("maintenance_leader"))
        with worker(home, "second") as second, worker(home, "third") as third:
            wait_for("the others to work", lambda: alive(home) == 3)
            assert [process.lines("maintenance_leader") for process in (second, third)] == [[], []]
            first.process.kill()
            first.process.wait(60)

            def followed() -> list[str]:
                return [line["holder"] for each in (second, third) for line in each.lines("maintenance_leader")]

            (name,) = wait_for("another to lead", followed)
            assert holder(home) == name
            finished = create_job(home)
            wait_for("a job", lambda: job_row(home, finished)["status"] == "succeeded")
            orphan = expire_and_orphan(home, finished)
            wait_for("the expiry", lambda: job_row(home, finished)["status"] == "expired")
            wait_for("the sweep", lambda: not orphan.exists())
            assert followed() == [name]
            leading, other = (second, third) if second.lines("maintenance_leader") else (third, second)
            assert leading.stop() == 0
            wait_for(
                "the last to lead", lambda: other.lines("maintenance_leader")
            )  # at once, because the leader released its lease
            assert other.stop() == 0
    assert holder(home) is None


def test_a_leader_that_was_stopped_past_its_lease_ends_its_tasks_and_another_process_leads(home: Installation) -> None:
    job = create_job(home)
    with doomed(home, "writing", "freeze-as-leader") as first, worker(home, "second") as second:
        wait_for("the second to lead", lambda: second.lines("maintenance_leader"))
        leads = holder(home)
        wait_for("the job of the first", lambda: job_row(home, job)["status"] == "succeeded")
        assert first.frozen()
        first.resume()
        wait_for("the tasks of the first to end", lambda: first.lines("task_threads_ended"))
        (line,) = wait_for("the first to notice its lost lease", lambda: first.lines("attempt"))
        assert line["outcome"] == "lease_lost"
        for process in (first, second):
            assert len(process.lines("maintenance_leader")) == 1
            assert process.lines("thread_defect") == []
        assert first.lines("maintenance_leader")[0]["holder"] != leads
        assert first.stop() == 0
        assert holder(home) == leads
        assert second.stop() == 0
    assert holder(home) is None


def test_a_server_without_workers_does_the_maintenance(home: Installation) -> None:
    finished = worked_off(home)
    orphan = expire_and_orphan(home, finished)
    killed = create_job(home)
    with doomed(home, "writing", "kill") as dying:
        assert dying.process.wait(60) == -signal.SIGKILL
    server = home.serve(workers=0)
    wait_for("the rescue", lambda: job_row(home, killed)["status"] == "queued")
    wait_for("the expiry", lambda: job_row(home, finished)["status"] == "expired")
    wait_for("the sweep", lambda: not orphan.exists())
    assert str(holder(home)).startswith("server-")
    assert server.stop() == 0
    assert holder(home) is None


def test_a_supervisor_releases_the_leadership_of_a_dead_worker(home: Installation) -> None:
    server = home.serve(workers=1)
    (victim,) = wait_for("the worker", server.workers)
    name = victim.cmdline()[victim.cmdline().index("--name") + 1]
    with home.database() as database, database.write() as connection:
        connection.execute(update(leader).values(holder=name))
    victim.kill()
    wait_for("its end to be noticed", lambda: "worker_died" in {line["event"] for line in server.log_lines()})
    assert holder(home) != name
    assert server.stop() == 0
