"""Builds what dispatches jobs and maintains the installation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

from offtake.core.services import Services
from offtake.core.sources.source import WatchedSource
from offtake.errors import SettingsError
from offtake.executor.maintenance import Maintenance
from offtake.executor.maintenance_tasks import Intervals
from offtake.executor.shutdown import Shutdown
from offtake.executor.temporal.address import TemporalAddress
from offtake.executor.temporal.address import Tls as TemporalTls
from offtake.executor.worker import Worker, work
from offtake.home import Home
from offtake.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """How jobs are dispatched: workers poll the job store, or Temporal dispatches them."""

    work: Callable[[Services, Worker, Shutdown], None]  # run jobs until shutdown
    background: Callable[[Services], AbstractContextManager[object]]  # what runs in the background of the server


def build_executor(home: Home, settings: Settings) -> Executor:
    """Build the configured executor. Only "temporal" imports Temporal's library. Raises SettingsError."""
    if settings.executor == "workers":
        return Executor(work=work, background=lambda on: nullcontext())
    address = build_temporal(home, settings)
    try:
        from offtake.executor.temporal import relay, worker
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "temporalio":
            raise
        message = 'executor = "temporal": install Temporal\'s library with: pip install "offtake[temporal]"'
        raise SettingsError(message) from error
    return Executor(
        work=lambda on, who, shutdown: worker.work(on, who.name, shutdown, address),
        background=lambda on: relay.Relay(on, address),
    )


def build_maintenance(
    services: Services, settings: Settings, *, holder: str, sources: Sequence[WatchedSource] = ()
) -> Maintenance:
    """This process's part in the maintenance of the installation; ``holder`` names it among the others."""
    given = settings.maintenance
    intervals = Intervals(
        rescue=timedelta(seconds=given.rescue_seconds),
        expire=timedelta(seconds=given.expire_seconds),
        sweep=timedelta(seconds=given.sweep_seconds),
        redispatch=timedelta(seconds=given.redispatch_seconds),
    )
    return Maintenance(services, holder, intervals, sources)


def build_temporal(home: Home, settings: Settings) -> TemporalAddress:
    """Read how to connect to Temporal, including certificate, key and API key files. Raises SettingsError."""
    temporal = settings.temporal

    def content(option: str) -> bytes | None:
        name: str | None = getattr(temporal, option)
        try:
            return (home.root / name).read_bytes() if name else None
        except OSError as error:
            raise SettingsError(f"temporal.{option}: {name} cannot be read: {error.strerror}") from error

    tls = TemporalTls(
        root=content("tls_ca_file"), certificate=content("tls_certificate_file"), key=content("tls_key_file")
    )
    from_file = content("api_key_file")
    key = from_file.decode("utf-8", "replace").strip() if from_file else None
    return TemporalAddress(
        target=temporal.address,
        namespace=temporal.namespace,
        queue=temporal.task_queue,
        tls=tls if temporal.uses_tls else None,
        api_key=temporal.api_key.get_secret_value() if temporal.api_key else key,
        activities=temporal.activities,
    )
