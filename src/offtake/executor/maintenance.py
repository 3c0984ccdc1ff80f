"""The maintenance loop of an installation: it runs in every server and worker process, and one of them does the work.

The processes elect a leader in the state database (``leader.py``). Each task has a thread of its own in the leader's
process, so a sweep that takes an hour delays neither the rescue of leases nor the renewal of the leader's lease, and a
worker that runs a job delays no task. Another process takes over when the leader exits, or when its lease has run out.

A leader that was paused may continue for a moment after its successor has started. Its writes need no fence, because
every step of every task is conditional on the row that it finds (``maintenance_tasks.py``).

Attempts stage and spill files on their machine's disk, which other machines cannot read. So every process sweeps those
of its own machine: at its start, and whenever the sweep was requested or has run.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from datetime import datetime

import structlog

from offtake.core.exports import retention
from offtake.core.services import Services
from offtake.errors import OfftakeError, Unavailable
from offtake.executor.background import BackgroundThread
from offtake.executor.leader import Leadership
from offtake.executor.maintenance_tasks import Intervals, Task, count_removed, run_if_due, tasks
from offtake.store import leaders, maintenance_tasks

_log = structlog.get_logger("offtake.maintenance")
_POLL_SECONDS = 2.0  # between two checks whether a task is due
_RETRY_SECONDS = 10.0  # until a task that failed runs again
_EXIT_SECONDS = 2.0  # given to a running task when the process leaves; the next leader repeats the run


class Maintenance(BackgroundThread):
    """Run the maintenance tasks while the block runs and this process leads. ``holder`` names this process."""

    def __init__(self, on: Services, holder: str, intervals: Intervals) -> None:
        super().__init__("maintenance", self._run, patience=_EXIT_SECONDS)
        self._on = on
        self._holder = holder
        self._tasks = tasks(on, intervals)
        self._leadership = Leadership(leaders.MAINTENANCE, holder, on)

    def _run(self) -> None:
        with _LocalSweep(self._on):
            while not self._done.is_set():
                with suppress(Unavailable):  # no process leads until the store is back
                    if self._leadership.take():
                        self._lead()
                self._done.wait(self._leadership.pause)

    def _lead(self) -> None:
        """Run the tasks until this process exits or loses its lease."""
        _log.info("maintenance_leader", holder=self._holder)
        with ExitStack() as running:
            for task in self._tasks:
                running.enter_context(_TaskThread(task, self._on))
            self._keep_lease()
            if self._done.is_set():
                self._leadership.release()

    def _keep_lease(self) -> None:
        """Renew the lease until this process exits or the lease is lost."""
        lease = self._leadership.lease.total_seconds()
        over_at = time.monotonic() + lease
        while not self._done.wait(self._leadership.pause):
            asked_at = time.monotonic()
            try:
                if not self._leadership.renew():
                    return
                over_at = asked_at + lease
            except Unavailable:
                if time.monotonic() >= over_at:
                    return


class _TaskThread(BackgroundThread):
    """Run one task whenever it is due."""

    def __init__(self, task: Task, on: Services) -> None:
        super().__init__(f"maintenance-{task.name}", self._run, patience=_EXIT_SECONDS)
        self._task = task
        self._on = on
        self._pause = 0.0

    def _run(self) -> None:
        every = self._task.every.total_seconds()
        while not self._done.wait(self._pause):
            self._pause = min(_RETRY_SECONDS, every)  # until the run succeeds; a defect restarts this method
            try:
                is_due = run_if_due(self._task, self._on)
            except OfftakeError as error:
                _log.warning("maintenance_task_failed", task=self._task.name, error=error.code)
            else:
                self._pause = 0.0 if is_due else min(_POLL_SECONDS, every)


class _LocalSweep(BackgroundThread):
    """Remove files of this machine that no attempt needs."""

    def __init__(self, on: Services) -> None:
        super().__init__("local-sweep", self._run, patience=_EXIT_SECONDS)
        self._on = on
        self._is_first = True
        self._seen: datetime | None = None  # when the sweep of published files was due, at the last local sweep

    def _run(self) -> None:
        while not self._done.is_set():
            with suppress(Unavailable):
                self._sweep_if_changed()
            self._done.wait(_POLL_SECONDS)

    def _sweep_if_changed(self) -> None:
        with self._on.database.read() as connection:
            due_at = maintenance_tasks.due_at(connection, maintenance_tasks.SWEEP)
        if due_at == self._seen and not self._is_first:
            return
        tally = retention.sweep_local(self._on)
        if tally.done or tally.failed:
            count_removed("local_sweep", self._on, tally)
        self._seen, self._is_first = due_at, False
