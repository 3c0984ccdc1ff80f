"""Supervises the worker processes of the server: starts them, restarts those that die, and stops them.

When a worker dies, the supervisor requeues its jobs and releases its leadership at once, before the leases expire.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from offtake.core.admin import worker_registry
from offtake.core.attempt import outcome
from offtake.core.services import Services
from offtake.errors import OfftakeError
from offtake.executor import leader

_log = structlog.get_logger("offtake.supervisor")
_POLL_SECONDS = 0.1  # between checks of the processes
_EARLY_SECONDS = 5.0  # a worker that dies within this time is restarted with an increasing delay
_MAX_DELAY_SECONDS = 10.0


class Command(Protocol):
    """The command line of a worker."""

    def __call__(self, name: str, *, quick: bool) -> Sequence[str]:
        """Return program and arguments. A quick worker leaves long jobs to the others."""


@dataclass(slots=True)
class _Slot:
    """One worker: its name, its process, and the number of consecutive early deaths."""

    name: str
    quick: bool
    process: subprocess.Popen[bytes]
    began: float = field(default_factory=time.monotonic)
    early_deaths: int = 0
    restart_at: float | None = None  # set while no process runs in this slot


class Supervisor:
    """Supervises ``workers`` processes. Their standard input ends when this process ends.

    The first of several workers leaves long jobs to the others.
    """

    def __init__(self, on: Services, command: Command, *, workers: int) -> None:
        self._on = on
        self._command = command
        self._stop = threading.Event()
        self._forced = False
        keeps_one_free = workers > 1 and bool(on.attempt.long)
        self._slots = [self._start(quick=keeps_one_free and number == 0) for number in range(workers)]
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._thread.start()

    def _start(self, *, quick: bool, early_deaths: int = 0) -> _Slot:
        name = self._on.new_id()
        # In a separate process group, so that Ctrl-C reaches only the server, which then stops its workers.
        process = subprocess.Popen(  # noqa: S603 - this program
            list(self._command(name, quick=quick)), stdin=subprocess.PIPE, process_group=0
        )
        return _Slot(name=name, quick=quick, process=process, early_deaths=early_deaths)

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            for index, slot in enumerate(self._slots):
                if slot.restart_at is None and slot.process.poll() is not None:
                    self._clean_up(slot)
                if slot.restart_at is not None and time.monotonic() >= slot.restart_at:
                    self._restart(index, slot)

    def _restart(self, index: int, slot: _Slot) -> None:
        try:
            self._slots[index] = self._start(quick=slot.quick, early_deaths=slot.early_deaths)
        except OSError as error:  # no memory or process available; the supervisor must continue
            slot.restart_at = time.monotonic() + _MAX_DELAY_SECONDS
            _log.error("worker_not_started", error_class=type(error).__name__)

    def _clean_up(self, slot: _Slot) -> None:
        """Requeue the jobs of a dead worker and schedule its restart, with a delay after an early death."""
        is_early = time.monotonic() - slot.began < _EARLY_SECONDS
        slot.early_deaths = slot.early_deaths + 1 if is_early else 0
        delay = min(_POLL_SECONDS * 2**slot.early_deaths, _MAX_DELAY_SECONDS) if is_early else 0.0
        slot.restart_at = time.monotonic() + delay
        if slot.process.stdin is not None:
            slot.process.stdin.close()
        try:
            recovered = outcome.rescue_expired_leases(self._on, dead_worker=slot.name)
            worker_registry.deregister(slot.name, self._on)
            leader.release(slot.name, self._on)
        except (OfftakeError, SQLAlchemyError):
            recovered = 0  # the leases expire
        _log.warning("worker_died", worker=slot.name, code=slot.process.returncode, jobs_recovered=recovered)

    def request(self) -> None:
        """Request every worker to drain, and restart none from now on."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        for slot in self._slots:
            if slot.process.poll() is None:
                slot.process.terminate()

    def force(self) -> None:
        """Make ``stop`` interrupt running attempts at once. Takes no lock, because signal handlers call it."""
        self._forced = True

    def stop(self, timeout_seconds: float) -> None:
        """Drain the workers for at most ``timeout_seconds``, then kill the remaining ones."""
        self.request()
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline and any(slot.process.poll() is None for slot in self._slots):
            if self._forced:
                for slot in self._slots:
                    slot.process.send_signal(signal.SIGINT)
            time.sleep(_POLL_SECONDS)
        for slot in self._slots:
            if slot.process.poll() is None:
                slot.process.kill()
                slot.process.wait()
            if slot.process.stdin is not None:
                slot.process.stdin.close()
