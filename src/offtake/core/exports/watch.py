"""Tells waiting clients when their jobs change.

One thread serves all waiters of a process, and it ends with the last waiter. It wakes with the state database
(``store/wakeup.py``) and then reads the states of all watched jobs in one statement.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice

import structlog

from offtake.model.job import Job
from offtake.store import job_states
from offtake.store.database import Database
from offtake.store.job_states import JobState
from offtake.store.wakeup import Channel, wakeup

_log = structlog.get_logger("offtake.watch")
_POLL_SECONDS = 1.0  # progress is recorded without a wake-up on PostgreSQL
_PAUSE_SECONDS = 0.02  # after a change, so that a busy database is not read without a pause
_RETRY_SECONDS = 1.0
_BATCH_SIZE = 500  # ids of one statement


class _Watch:
    """A waiter: the job, its state as the waiter knows it, and what to call when that changes."""

    def __init__(self, job: Job, changed: Callable[[], None]) -> None:
        progress = job.progress
        self.job = job.id
        self.known: JobState | None = JobState(
            job.status, job.fence, progress.phase if progress else None, progress.rows if progress else None
        )
        self.changed = changed


class JobWatch:
    """The watched jobs of a process. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._watches: set[_Watch] = set()
        self._is_new = threading.Event()  # a job has been added since the states were last read
        self._thread: threading.Thread | None = None

    @contextmanager
    def watch(self, job: Job, changed: Callable[[], None]) -> Iterator[None]:
        """Call ``changed``, in the thread of the watch, whenever the job's state differs from the last known one.

        The first comparison is with ``job`` as it was read, so no change in between is missed.
        """
        watch = _Watch(job, changed)
        with self._lock:
            self._watches.add(watch)
            self._is_new.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="job-watch", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._watches.discard(watch)

    def _run(self) -> None:
        while True:
            try:
                with closing(wakeup(self._database, Channel.MOVED)) as changes:
                    while not self._ended():
                        changes.clear()
                        self._is_new.clear()
                        self._compare()
                        changes.wait(_POLL_SECONDS, self._is_new.is_set)
                        time.sleep(_PAUSE_SECONDS)
                    return
            except Exception as error:  # noqa: BLE001 - the outermost loop of the thread: waiters depend on it
                _log.warning("watch_interrupted", error_class=type(error).__name__)
                time.sleep(_RETRY_SECONDS)

    def _ended(self) -> bool:
        """End the thread after the last waiter."""
        with self._lock:
            if self._watches:
                return False
            self._thread = None
            return True

    def _compare(self) -> None:
        with self._lock:
            watches = list(self._watches)
        states: dict[str, JobState] = {}
        remaining = iter({watch.job for watch in watches})
        while ids := list(islice(remaining, _BATCH_SIZE)):
            with self._database.read() as connection:
                states |= job_states.read(connection, ids)
        for watch in watches:
            state = states.get(watch.job)
            if state != watch.known:
                watch.known = state
                watch.changed()
