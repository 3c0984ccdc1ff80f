"""The worker process: it runs exports and takes part in the maintenance. It serves nothing, so it imports no web
framework."""

from __future__ import annotations

from datetime import timedelta

import structlog

from offtake.app import build_services
from offtake.composition.executor import build_executor, build_maintenance
from offtake.composition.process_facts import process_facts
from offtake.composition.resources import log_resources
from offtake.composition.sources import build_sources
from offtake.composition.storage import check_storage
from offtake.executor.shutdown import Shutdown
from offtake.executor.worker import Worker
from offtake.home import Home
from offtake.settings import Settings

_log = structlog.get_logger("offtake.worker")


def run_worker(home: Home, settings: Settings, *, name: str, stop_with_input: bool, quick: bool) -> None:
    """Run jobs until SIGTERM or SIGINT, or, under a supervisor, until standard input ends."""
    shutdown = Shutdown(timedelta(seconds=settings.worker.drain_seconds))
    shutdown.on_signals()
    if stop_with_input:
        shutdown.on_end_of_input()
    executor = build_executor(home, settings)
    services = build_services(home, settings)
    try:
        services.load_catalogue()  # refuse invalid reports at the start
        check_storage(services)
        _log.info("worker_started", worker=name, quick=quick, **process_facts(home, settings, services))
        if not stop_with_input:  # otherwise, the server has logged them
            log_resources(services, settings)
        with build_maintenance(services, settings, holder=name, sources=build_sources(home, settings)):
            executor.work(services, Worker(name=name, longest=services.attempt.long if quick else None), shutdown)
    finally:
        services.database.close()
