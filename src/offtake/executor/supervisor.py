"""Keeps N worker processes running beside the server: starts them, restarts those that die, stops them all.

A worker that died is known to be dead, so its leases are taken back at once instead of after they run out, and so is
the maintenance that it may have led.
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
_LOOK = 0.1  # seconds between looks at the processes
_SHORTEST_LIFE = 5.0  # seconds; a worker that dies younger is restarted ever more slowly
_LONGEST_PAUSE = 10.0  # seconds


class Command(Protocol):
    """How to start a worker."""

    def __call__(self, name: str, *, quick: bool) -> Sequence[str]:
        """Program and arguments; a quick one leaves long jobs to others."""


@dataclass(slots=True)
class _Place:
    """One worker's place: its process, its name, and how often in a row it died young."""

    name: str
    quick: bool
    process: subprocess.Popen[bytes]
    began: float = field(default_factory=time.monotonic)
    early_deaths: int = 0
    restart_at: float | None = None  # set while the place is empty


class Supervisor:
    """``command`` is how to start a worker of a name. Its standard input ends when this process ends.

    The first of several leaves long jobs to the others.
    """

    def __init__(self, on: Services, command: Command, *, workers: int) -> None:
        self._on = on
        self._command = command
        self._stop = threading.Event()
        self._forced = False
        keeps_one_free = workers > 1 and bool(on.attempt.long)
        self._places = [self._filled(quick=keeps_one_free and number == 0) for number in range(workers)]
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._thread.start()

    def _filled(self, *, quick: bool, early_deaths: int = 0) -> _Place:
        name = self._on.new_id()
        # A process group of its own: Ctrl-C reaches the server, and the server tells its workers.
        process = subprocess.Popen(  # noqa: S603 - our own program
            list(self._command(name, quick=quick)), stdin=subprocess.PIPE, process_group=0
        )
        return _Place(name=name, quick=quick, process=process, early_deaths=early_deaths)

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK):
            for index, place in enumerate(self._places):
                if place.restart_at is None and place.process.poll() is not None:
                    self._empty(place)
                if place.restart_at is not None and time.monotonic() >= place.restart_at:
                    self._refill(index, place)

    def _refill(self, index: int, place: _Place) -> None:
        try:
            self._places[index] = self._filled(quick=place.quick, early_deaths=place.early_deaths)
        except OSError as error:  # no memory or process to be had now; the watch must go on
            place.restart_at = time.monotonic() + _LONGEST_PAUSE
            _log.error("worker_not_started", kind=type(error).__name__)

    def _empty(self, place: _Place) -> None:
        """The worker died: take back what it had leased, and leave its place empty for a while if it died young."""
        young = time.monotonic() - place.began < _SHORTEST_LIFE
        place.early_deaths = place.early_deaths + 1 if young else 0
        pause = min(_LOOK * 2**place.early_deaths, _LONGEST_PAUSE) if young else 0.0
        place.restart_at = time.monotonic() + pause
        if place.process.stdin is not None:
            place.process.stdin.close()
        try:
            recovered = outcome.rescue_expired_leases(self._on, dead_worker=place.name)
            worker_registry.deregister(place.name, self._on)
            leader.release(place.name, self._on)
        except (OfftakeError, SQLAlchemyError):
            recovered = 0  # the leases run out by themselves
        _log.warning("worker_died", worker=place.name, code=place.process.returncode, jobs_recovered=recovered)

    def request(self) -> None:
        """Ask every worker to drain; none is restarted from now on."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        for place in self._places:
            if place.process.poll() is None:
                place.process.terminate()

    def force(self) -> None:
        """From now on ``stop`` has running attempts handed back at once. Takes no lock: signal handlers call it."""
        self._forced = True

    def stop(self, patience: float) -> None:
        """Ask, wait for ``patience`` seconds at most, then kill what is left."""
        self.request()
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(place.process.poll() is None for place in self._places):
            if self._forced:
                for place in self._places:
                    place.process.send_signal(signal.SIGINT)
            time.sleep(_LOOK)
        for place in self._places:
            if place.process.poll() is None:
                place.process.kill()
                place.process.wait()
            if place.process.stdin is not None:
                place.process.stdin.close()
