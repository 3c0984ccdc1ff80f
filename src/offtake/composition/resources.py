"""Derives the limits of each attempt from the settings and the machine."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from offtake.artifacts.store import ArtifactStore
from offtake.core.attempt.resource_plan import partition_rows
from offtake.core.policy import AttemptPolicy
from offtake.core.services import Services
from offtake.executor.resources import AttemptResources, attempt_resources
from offtake.home import Home
from offtake.machine import read_machine
from offtake.objects.location import parse_location
from offtake.settings import Settings

_log = structlog.get_logger("offtake.app")


def log_resources(services: Services, settings: Settings) -> None:
    """Log the limits of each attempt at the start, and which of them the settings do not give."""
    policy = services.attempt
    limits = AttemptResources(memory_mb=policy.memory_mb, threads=policy.threads, temp_mb=policy.temp_mb)
    _log.info("attempt_resources", **_with_origin(limits, settings))


def derived_resources(home: Home, settings: Settings) -> dict[str, Any]:
    """Return the limits of each attempt on this machine, which of them the settings do not give, and their origin."""
    location = parse_location(settings.artifacts_url) if settings.artifacts_url else home.artifacts
    spill_folder = location if isinstance(location, Path) else home.artifacts
    return _with_origin(_resources(settings, spill_folder), settings)


def _with_origin(limits: AttemptResources, settings: Settings) -> dict[str, Any]:
    machine = read_machine()
    return {
        **asdict(limits),
        "derived": [name for name in ("memory_mb", "threads", "temp_mb") if getattr(settings.worker, name) is None],
        "concurrent_attempts": _concurrent_attempts(settings),
        "machine_memory_mb": machine.memory_mb,
        "machine_memory_is_limited": machine.is_limited,
        "machine_processors": machine.processors,
    }


def _concurrent_attempts(settings: Settings) -> int:
    """Return how many attempts share the machine. A server without workers leaves them to other machines."""
    activities = settings.temporal.activities if settings.executor == "temporal" else 1
    return max(1, settings.server.workers) * activities


def _resources(settings: Settings, spill_folder: Path) -> AttemptResources:
    return attempt_resources(
        settings.worker,
        read_machine(),
        attempts=_concurrent_attempts(settings),
        spill_folder=spill_folder,
        min_free_mb=settings.server.min_free_mb,
    )


def attempt_policy(settings: Settings, artifacts: ArtifactStore) -> AttemptPolicy:
    """Return the limits of each attempt and the policy of its repetition."""
    worker, resources = settings.worker, _resources(settings, artifacts.root)
    return AttemptPolicy(
        threads=resources.threads,
        memory_mb=resources.memory_mb,
        partition_rows=partition_rows(resources.memory_mb),
        temp_mb=resources.temp_mb,
        attempts=worker.attempts,
        lease=timedelta(seconds=worker.lease_seconds),
        heartbeat=timedelta(seconds=worker.heartbeat_seconds),
        retry_delay=timedelta(seconds=worker.retry_seconds),
        drain=timedelta(seconds=worker.drain_seconds),
        long=timedelta(seconds=worker.long_seconds),
    )
