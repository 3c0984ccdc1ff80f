"""The maintenance loop: one leader runs every task at its interval, and no task delays another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

from offtake.artifacts.folder import FolderArtifacts
from offtake.artifacts.store import StoredFile
from offtake.core import dispatch
from offtake.core.admin import identity
from offtake.core.attempt import outcome
from offtake.core.services import Services
from offtake.errors import Unavailable
from offtake.executor import maintenance
from offtake.executor.maintenance import Maintenance
from offtake.executor.maintenance_tasks import Intervals, Task, run_if_due, tasks
from offtake.model.job import Job, Status
from offtake.model.tenant import Tenant
from offtake.store import job_claims, job_queries, jobs, maintenance_tasks
from offtake.store.maintenance_tasks import SWEEP
from offtake.store.schema import leader, maintenance_task, outbox
from tests.fixtures.exports import published, queued
from tests.fixtures.polling import wait_for

EVERY = timedelta(minutes=10)
OFTEN = Intervals(rescue=timedelta(seconds=0.1))


@dataclass(slots=True)
class Counted:
    """A task that counts its runs; every run calls ``during``."""

    during: Callable[[], object] = lambda: None
    more: bool = False
    name: str = SWEEP
    every: timedelta = EVERY
    recorded: bool = True
    runs: int = 0
    task: Task = field(init=False)

    def __post_init__(self) -> None:
        self.task = Task(name=self.name, every=self.every, run=self._run, recorded=self.recorded)

    def _run(self, on: Services) -> bool:
        self.runs += 1
        self.during()
        return self.more


def move_due(on: Services, by: timedelta) -> None:
    with on.database.write() as connection:
        due = connection.execute(select(maintenance_task.c.due_at)).scalar_one()
        connection.execute(update(maintenance_task).values(due_at=due + by))


def request_sweep(on: Services) -> None:
    with on.database.write() as connection:
        maintenance_tasks.request(connection, SWEEP, now=on.now(connection))


def holder(on: Services) -> str | None:
    with on.database.read() as connection:
        found: str | None = connection.execute(select(leader.c.holder)).scalar_one_or_none()
    return found


def abandoned(on: Services) -> Job:
    """Add a job whose worker died and whose lease has expired."""
    waiting = queued()
    with on.database.write() as connection:
        jobs.add(connection, waiting)
        now = on.now(connection)
        until = now - timedelta(seconds=1)
        assert job_claims.claim_one(connection, waiting.id, worker="dead", now=waiting.not_before, until=until)
    return waiting


def status(on: Services, job: Job) -> Status:
    with on.database.read() as connection:
        found = job_queries.get(connection, job.id)
    assert found is not None
    return found.status


@pytest.fixture
def on(services: Services) -> Services:
    """Services with a tenant and leases of a second and a half."""
    identity.add_tenant(Tenant(name="acme"), services)
    return replace(services, attempt=replace(services.attempt, lease=timedelta(seconds=1.5)))


# --- when a task is due ----------------------------------------------------------------------------------------------


def test_a_task_runs_once_per_interval_whichever_process_leads(on: Services) -> None:
    counted, of_next_leader = Counted(), Counted()
    run_if_due(counted.task, on)
    for task in (counted.task, of_next_leader.task):
        run_if_due(task, on)
    assert (counted.runs, of_next_leader.runs) == (1, 0)
    move_due(on, -EVERY)
    run_if_due(of_next_leader.task, on)
    assert (counted.runs, of_next_leader.runs) == (1, 1)


def test_a_run_that_its_leader_did_not_finish_is_repeated_by_the_next(on: Services) -> None:
    class Killed(BaseException):
        """Simulates the end of the process."""

    def die() -> None:
        raise Killed

    with pytest.raises(Killed):
        run_if_due(Counted(during=die).task, on)
    counted = Counted()
    run_if_due(counted.task, on)
    assert counted.runs == 1


def test_a_requested_task_is_due_also_when_it_was_requested_while_it_ran(on: Services) -> None:
    counted = Counted()
    run_if_due(counted.task, on)
    request_sweep(on)
    counted.during = lambda: request_sweep(on)
    run_if_due(counted.task, on)
    counted.during = lambda: None
    for _ in range(2):
        run_if_due(counted.task, on)
    assert counted.runs == 3


def test_a_task_that_has_more_to_do_is_due_at_once(on: Services) -> None:
    counted = Counted(more=True)
    assert [run_if_due(counted.task, on) for _ in range(2)] == [True, True]
    assert counted.runs == 2


def test_a_clock_set_back_does_not_delay_a_task(on: Services) -> None:
    counted = Counted()
    run_if_due(counted.task, on)
    move_due(on, timedelta(days=3))
    run_if_due(counted.task, on)
    assert counted.runs == 2


def test_a_rescue_requests_a_sweep(on: Services) -> None:
    counted = Counted()
    run_if_due(counted.task, on)
    abandoned(on)
    assert outcome.rescue_expired_leases(on) == 1
    run_if_due(counted.task, on)
    assert counted.runs == 2


def test_jobs_are_dispatched_again_only_where_an_engine_dispatches_them(on: Services) -> None:
    def names(on: Services) -> set[str]:
        return {task.name for task in tasks(on, Intervals())}

    assert names(replace(on, dispatches=True)) - names(replace(on, dispatches=False)) == {"redispatch"}


def test_one_batch_of_a_backlog_is_dispatched_again_per_interval(on: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    on = replace(on, dispatches=True)
    (task,) = (task for task in tasks(on, Intervals(redispatch=timedelta(0))) if task.name == "redispatch")
    monkeypatch.setattr(dispatch, "_BATCH_SIZE", 2)
    with on.database.write() as connection:
        for _ in range(5):
            jobs.add(connection, queued())

    def messages() -> int:
        with on.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(outbox)).scalar_one())

    assert [(run_if_due(task, on), messages()) for _ in range(3)] == [(False, 2), (False, 4), (False, 5)]


# --- the loop --------------------------------------------------------------------------------------------------------


class Storage(FolderArtifacts):
    """An artifact store whose listing hangs or fails."""

    def __init__(self, root: Path, listing: Callable[[], object]) -> None:
        super().__init__(root)
        self._listing = listing

    def published(self) -> Iterator[StoredFile]:
        """Call ``listing`` first."""
        self._listing()
        yield from super().published()


def test_a_hanging_sweep_delays_neither_the_rescue_nor_the_leaders_lease(on: Services) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        go_on.wait()

    on = replace(on, artifacts=Storage(on.artifacts.root, hang))
    with Maintenance(on, "one", OFTEN):
        assert begun.wait(60)
        for _ in range(2):
            until = leased_until(on)
            wait_for("the lease to be renewed", lambda before=until: leased_until(on) > before)  # type: ignore[misc]
        lost = abandoned(on)
        wait_for("the rescue", lambda: status(on, lost) is Status.QUEUED)
        assert holder(on) == "one"
        go_on.set()


def test_an_unrecorded_task_runs_once_per_interval(on: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "_POLL_SECONDS", 0.01)
    seldom = Counted(name="seldom", every=timedelta(hours=1), recorded=False)
    often = Counted(name="often", every=timedelta(seconds=0.01), recorded=False)
    monkeypatch.setattr(maintenance, "tasks", lambda *ignored: (seldom.task, often.task))
    with Maintenance(on, "one", OFTEN):
        wait_for("one task to run often", lambda: often.runs >= 50)
        assert seldom.runs == 1


def test_no_task_goes_on_while_a_leader_that_leaves_waits_for_another(
    on: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "_JOIN_SECONDS", 600.0)
    begun, go_on, left = threading.Event(), threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        go_on.wait()

    often = Counted(name="often", every=timedelta(seconds=0.01), recorded=False)
    hanging = Counted(name="hanging", during=hang, recorded=False)
    monkeypatch.setattr(maintenance, "tasks", lambda *ignored: (often.task, hanging.task))

    def lead() -> None:
        with Maintenance(on, "one", OFTEN):
            left.wait()

    leading = threading.Thread(target=lead)
    leading.start()
    try:
        assert begun.wait(60)
        wait_for("the other task to run", lambda: often.runs)
        left.set()
        wait_for("the other task to end", lambda: "maintenance-often" not in running())
        assert "maintenance-hanging" in running()
    finally:
        left.set()
        go_on.set()
        leading.join()
    assert running() == set()


def running() -> set[str]:
    """The threads of tasks."""
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("maintenance-")}


def leased_until(on: Services) -> datetime:
    with on.database.read() as connection:
        until: datetime = connection.execute(select(leader.c.lease_until)).scalar_one()
    return until


@pytest.mark.parametrize("error", [Unavailable("away", retry_after=1), ValueError("a row of rita@acme.example")])
def test_a_task_that_fails_ends_neither_the_loop_nor_another_task(on: Services, error: Exception) -> None:
    def fail() -> None:
        raise error

    on = replace(on, artifacts=Storage(on.artifacts.root, fail))
    _, file = published(on)
    with capture_logs() as lines, Maintenance(on, "one", OFTEN):
        wait_for("the failure", lambda: {"maintenance_task_failed", "thread_defect"} & {one["event"] for one in lines})
        lost = abandoned(on)
        wait_for("the rescue", lambda: status(on, lost) is Status.QUEUED)
        assert holder(on) == "one"
    assert "rita" not in str(lines)
    assert file.is_file()


def test_of_several_processes_one_leads_and_another_replaces_it(on: Services) -> None:
    with capture_logs() as lines, ExitStack() as first:
        first.enter_context(Maintenance(on, "first", OFTEN))
        wait_for("the first to lead", lambda: holder(on) == "first")
        with Maintenance(on, "second", OFTEN), Maintenance(on, "third", OFTEN):
            lost = abandoned(on)
            wait_for("the rescue", lambda: status(on, lost) is Status.QUEUED)
            assert holder(on) == "first"
            first.close()
            wait_for("another to lead", lambda: holder(on) in ("second", "third"))
            lost = abandoned(on)
            wait_for("the rescue", lambda: status(on, lost) is Status.QUEUED)
    leaders = [line["holder"] for line in lines if line["event"] == "maintenance_leader"]
    assert leaders[0] == "first"
    assert len(leaders) == len(set(leaders)) <= 3  # the last two end one after the other
    assert holder(on) is None


def test_every_process_sweeps_the_files_of_its_machine(on: Services, tmp_path: Path) -> None:
    """It sweeps at its start and on request, because the leader on another machine cannot list these files."""
    here = replace(on, artifacts=FolderArtifacts(tmp_path / "here"))
    here.artifacts.prepare()
    left = [here.artifacts.staging("0" * 36, fence, "csv") for fence in (1, 2)]
    left[0].write_text("half")
    with Maintenance(on, "there", Intervals()):
        wait_for("the other machine to lead", lambda: holder(on) == "there")
        with Maintenance(here, "here", Intervals()):
            wait_for("the first sweep", lambda: not left[0].exists())
            left[1].write_text("half")
            request_sweep(on)
            wait_for("the next sweep", lambda: not left[1].exists())
            assert holder(on) == "there"
