"""The maintenance loop of an installation: every server and worker process runs it, and one of them does the work.

The processes elect the leader in the state database (``leader.py``). The leader runs each task in a separate thread, so
a sweep that takes an hour delays neither the rescue of leases nor the renewal of the leader's lease, and a worker that
runs a job delays no task. Another process takes over when the leader exits or its lease expires.

A leader that was paused may continue for a moment after its successor has started. Its writes need no fence, because
every statement of every task is conditional on the row that it finds (``maintenance_tasks.py``).

Attempts stage and spill files on the disk of their machine, which other machines cannot read. So every process sweeps
the disk of its own machine: at its start, and whenever a sweep was requested or has run.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import datetime

import structlog

from offtake.core.exports import retention
from offtake.core.services import Services
from offtake.core.sources.source import WatchedSource
from offtake.core.sources.watch import watch
from offtake.errors import OfftakeError, Unavailable
from offtake.executor.background import BackgroundThread
from offtake.executor.leader import Leadership
from offtake.executor.maintenance_tasks import Intervals, Task, count_removed, run_if_due, tasks
from offtake.store import leaders, maintenance_tasks

_log = structlog.get_logger("offtake.maintenance")
_POLL_SECONDS = 2.0  # between checks whether a recorded task is due
_RETRY_SECONDS = 10.0  # after a task has failed
_JOIN_SECONDS = 2.0  # for a running task when the process exits; the next leader repeats the run


class Maintenance(BackgroundThread):
    """Runs the maintenance tasks while the block runs and this process leads. ``holder`` names this process."""

    def __init__(self, on: Services, holder: str, intervals: Intervals, sources: Sequence[WatchedSource] = ()) -> None:
        super().__init__("maintenance", self._run, join_seconds=_JOIN_SECONDS)
        self._on = on
        self._holder = holder
        self._tasks = tasks(on, intervals)
        self._sources = sources
        self._leadership = Leadership(leaders.MAINTENANCE, holder, on)

    def _run(self) -> None:
        with _LocalSweep(self._on):
            while not self._done.is_set():
                with suppress(Unavailable):  # no process leads until the database is reachable
                    if self._leadership.take():
                        self._lead()
                self._done.wait(self._leadership.pause)

    def _lead(self) -> None:
        """Run the tasks until this process exits or loses its lease."""
        _log.info("maintenance_leader", holder=self._holder)
        with ExitStack() as running:
            threads: list[BackgroundThread] = [_TaskThread(task, self._on) for task in self._tasks]
            threads += [_SourceThread(source, self._on) for source in self._sources]
            for thread in threads:
                running.enter_context(thread)
            try:
                self._keep_lease()
            finally:
                for thread in threads:
                    thread.stop()
            if self._done.is_set():
                self._leadership.release()

    def _keep_lease(self) -> None:
        """Renew the lease until this process exits or the lease is lost."""
        lease = self._leadership.lease.total_seconds()
        expires_at = time.monotonic() + lease
        while not self._done.wait(self._leadership.pause):
            started_at = time.monotonic()
            try:
                if not self._leadership.renew():
                    return
                expires_at = started_at + lease
            except Unavailable:
                if time.monotonic() >= expires_at:
                    return


class _TaskThread(BackgroundThread):
    """Runs one task whenever it is due."""

    def __init__(self, task: Task, on: Services) -> None:
        super().__init__(f"maintenance-{task.name}", self._run, join_seconds=_JOIN_SECONDS)
        self._task = task
        self._on = on
        self._pause = 0.0

    def _run(self) -> None:
        every = self._task.every.total_seconds()
        while not self._done.wait(self._pause):
            self._pause = min(_RETRY_SECONDS, every)  # unless the run succeeds; after a defect this method starts again
            try:
                is_due = run_if_due(self._task, self._on)
            except OfftakeError as error:
                _log.warning("maintenance_task_failed", task=self._task.name, error=error.code)
            else:
                poll = min(_POLL_SECONDS, every) if self._task.recorded else every
                self._pause = 0.0 if is_due else poll


class _SourceThread(BackgroundThread):
    """Loads the new files of one source, so that a long load delays neither a task nor another source."""

    def __init__(self, source: WatchedSource, on: Services) -> None:
        super().__init__(f"source-{source.name}", lambda: watch(source, on, self._done), join_seconds=_JOIN_SECONDS)


class _LocalSweep(BackgroundThread):
    """Removes files of this machine that no attempt needs."""

    def __init__(self, on: Services) -> None:
        super().__init__("local-sweep", self._run, join_seconds=_JOIN_SECONDS)
        self._on = on
        self._is_first = True
        self._last_due_at: datetime | None = None  # of the sweep of published files, at the last local sweep

    def _run(self) -> None:
        while not self._done.is_set():
            with suppress(Unavailable):
                self._sweep_if_changed()
            self._done.wait(_POLL_SECONDS)

    def _sweep_if_changed(self) -> None:
        with self._on.database.read() as connection:
            due_at = maintenance_tasks.due_at(connection, maintenance_tasks.SWEEP)
        if due_at == self._last_due_at and not self._is_first:
            return
        removed = retention.sweep_local(self._on)
        if removed.done or removed.failed:
            count_removed("local_sweep", self._on, removed)
        self._last_due_at, self._is_first = due_at, False
