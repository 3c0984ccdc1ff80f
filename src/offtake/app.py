"""The composition root: builds services, application and workers from the settings."""

from __future__ import annotations

import os
import secrets
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp

from offtake import __version__
from offtake.artifacts.bucket import BucketArtifacts
from offtake.artifacts.folder import FolderArtifacts
from offtake.artifacts.store import ArtifactStore
from offtake.catalogue import BUILT_IN
from offtake.catalogue.load import Catalogue, load_catalogue, report_folders
from offtake.core.admin.health import health_checks
from offtake.core.attempt.resource_plan import partition_rows
from offtake.core.exports.watch import JobWatch
from offtake.core.logins import Logins
from offtake.core.policy import AttemptPolicy, PerTenant
from offtake.core.preview_slots import PreviewSlots
from offtake.core.services import Services
from offtake.core.tenant_options import TenantOptions, TenantOverrides
from offtake.errors import HomeError, SettingsError, StorageUnavailable
from offtake.executor.maintenance import Maintenance
from offtake.executor.maintenance_tasks import Intervals
from offtake.executor.resources import AttemptResources, attempt_resources
from offtake.executor.shutdown import Shutdown
from offtake.executor.temporal.address import TemporalAddress
from offtake.executor.temporal.address import Tls as TemporalTls
from offtake.executor.worker import Worker, work
from offtake.home import Home, read_storage_secrets
from offtake.http import downloads, health
from offtake.http.health import Readiness
from offtake.http.hosts import ServedHosts
from offtake.http.limit_settings import traffic_limits
from offtake.http.metrics import Metrics
from offtake.http.middleware import RequestLimits, build_middleware
from offtake.http.proxies import Proxies
from offtake.http.traffic import Traffic
from offtake.lake.delta import Lake
from offtake.lake.storage import BucketTableStorage, FolderTableStorage, TableStorage, unsupported_characters
from offtake.lake.tables import tables
from offtake.machine import read_machine
from offtake.objects.bucket import Bucket
from offtake.objects.location import Access, parse_location
from offtake.settings import Settings
from offtake.settings_messages import escaped
from offtake.store import installation
from offtake.store.database import Database, sqlite_files, sqlite_url
from offtake.store.migrate import migrate
from offtake.tenant_settings import tenant_table
from offtake.tls import Tls
from offtake.wire import DIALECTS, Dialect, Wire, openapi, pages
from offtake.wire.pages import ApiDocument

Built = TypeVar("Built")
_log = structlog.get_logger("offtake.app")


def build_services(home: Home, settings: Settings) -> Services:
    """Open the home: database (migrated to the current schema), catalogue, artifact store and lake."""
    home.require()
    keys = home.signing_keys()
    keys.keys()  # refuse unusable files at the start
    check_lake_folder(home, settings)
    database = Database(state_url(home, settings))
    database.check_connection()
    migrate(database)
    artifacts = _artifacts(home, settings)
    artifacts.prepare()
    options = TenantOptions(database)
    return Services(
        database=database,
        tenant_options=options,
        lake=Lake(_table_storage(home, settings)),
        artifacts=artifacts,
        catalogue=build_catalogue(home, settings),
        presentations={item.name: _per_tenant(item.name, item.presentation, settings, options) for item in DIALECTS},
        limits={item.name: _per_tenant(item.name, lambda own: own.limits(), settings, options) for item in DIALECTS},
        budgets=_per_tenant("budget", lambda own: own.budget(), settings, options),
        attempt=_attempt_policy(settings, artifacts),
        previews=PreviewSlots(settings.preview.policy()),
        logins=Logins(settings.logins.policy(), salt=_login_salt(database)),
        signing_keys=keys.keys,
        clock=lambda: datetime.now(UTC),
        new_id=lambda: str(uuid.uuid4()),
        new_secret=lambda: secrets.token_urlsafe(32),
        dispatches=settings.executor == "temporal",
    )


def _login_salt(database: Database) -> bytes:
    """Read the value from which the salts of all login names are derived; the first start creates it."""
    with database.read() as connection:
        value = installation.get(connection, installation.LOGIN_SALT)
    if value is None:
        with database.write() as connection:
            value = installation.add(connection, installation.LOGIN_SALT, secrets.token_hex(32))
    return bytes.fromhex(value)


def state_url(home: Home, settings: Settings) -> str:
    """The URL of the state database."""
    return settings.state_url or sqlite_url(home.state)


def installation_paths(home: Home, settings: Settings) -> list[Path]:
    """Return the files and folders of the installation, wherever the settings put them. No command may replace them."""
    server, temporal = settings.server, settings.temporal
    named = [server.tls_certificate, server.tls_key, *settings.catalogue.folders, settings.storage.cache_folder]
    named += [temporal.tls_ca_file, temporal.tls_certificate_file, temporal.tls_key_file, temporal.api_key_file]
    urls = [parse_location(url) for url in (settings.lake_url, settings.artifacts_url) if url]
    return [
        *home.contents,
        *(home.root / name for name in named if name),
        *(location for location in urls if isinstance(location, Path)),
        *sqlite_files(state_url(home, settings)),
    ]


def check_lake_folder(home: Home, settings: Settings) -> None:
    """Check that a lake in a local folder has a path that delta-rs can open. Raises SettingsError, HomeError."""
    location = parse_location(settings.lake_url) if settings.lake_url else home.lake
    found = unsupported_characters(location) if isinstance(location, Path) else ""
    if not found:
        return
    fault = f"The lake cannot be in '{escaped(str(location))}': its path, with links resolved, contains {found}"
    if settings.lake_url:
        raise SettingsError(f"lake_url: {fault}. Rename the folder, or choose another.")
    raise HomeError(f"{fault}. Rename the folder, choose another home, or set lake_url to another folder or a bucket.")


def check_storage(services: Services) -> None:
    """Check at the start that lake and artifact store can be reached.

    Raises SettingsError for a fault that only the operator can fix. A service that does not answer is only logged:
    jobs wait until it is back.
    """
    for option, check in (("artifacts_url", services.artifacts.check), ("lake_url", services.lake.storage.check)):
        try:
            check()
        except StorageUnavailable as error:
            _log.warning("storage_unreachable", option=option, reason=error.message)


def _artifacts(home: Home, settings: Settings) -> ArtifactStore:
    location = parse_location(settings.artifacts_url) if settings.artifacts_url else home.artifacts
    if isinstance(location, Path):
        return FolderArtifacts(location)
    return BucketArtifacts(home.artifacts, Bucket(location, _access(home, settings)))


def _table_storage(home: Home, settings: Settings) -> TableStorage:
    location, storage = parse_location(settings.lake_url) if settings.lake_url else home.lake, settings.storage
    if isinstance(location, Path):
        return FolderTableStorage(location)
    folder = home.root / storage.cache_folder if storage.cache_folder else home.cache
    return BucketTableStorage(Bucket(location, _access(home, settings)), folder, storage.cache_mb * 1024 * 1024)


def _access(home: Home, settings: Settings) -> Access:
    """How to connect to object storage. Environment variables override the file of credentials."""
    storage = settings.storage
    stored = read_storage_secrets(home.storage_secrets)
    credentials = stored | {name: os.environ[name] for name in stored if name in os.environ}
    return Access(
        endpoint=storage.endpoint,
        region=storage.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        path_style=storage.path_style,
        allow_http=storage.allow_http,
        timeout_seconds=storage.timeout_seconds,
        connect_seconds=storage.connect_seconds,
        retries=storage.retries,
        retry_seconds=storage.retry_seconds,
        secrets=credentials,
    )


def own_reports(home: Home, settings: Settings) -> dict[str, Path]:
    """Return the folders of the operator's own reports by name, in order."""
    return {path.name: path for folder in settings.catalogue.folders for path in report_folders(home.root / folder)}


def build_catalogue(home: Home, settings: Settings) -> Catalogue:
    """Load the built-in and the configured reports, checked against the lake's tables. Raises CatalogueError."""
    own = [home.root / folder for folder in settings.catalogue.folders]
    return _load_catalogue(*own) if own else _built_in_catalogue()


@lru_cache(maxsize=1)
def _built_in_catalogue() -> Catalogue:
    """Load the built-in reports once per process: they cannot change, and checking them takes half a second."""
    return _load_catalogue()


def _load_catalogue(*own: Path) -> Catalogue:
    columns = {name: dict(table.stored_columns) for name, table in tables().items()}
    return load_catalogue(BUILT_IN, *own, tables=columns, dialects=[dialect.name for dialect in DIALECTS])


def build_tls(home: Home, settings: Settings) -> Tls | None:
    """Load the server's certificate; None without TLS. Raises SettingsError."""
    server = settings.server
    if server.tls_certificate is None or server.tls_key is None:
        return None
    return Tls(home.root / server.tls_certificate, home.root / server.tls_key, minimum=server.tls_minimum)


def build_traffic(settings: Settings) -> Traffic:
    """The load of the server, with its limits."""
    limits = traffic_limits(settings.server, settings.connections, settings.downloads)
    return Traffic(limits, Proxies(settings.server.trusted_proxies))


def build_app(services: Services, settings: Settings, traffic: Traffic) -> ASGIApp:
    """Build the HTTP application: all dialects, the shared download path, health checks and metrics."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)  # dialects read and document requests
    public_url = settings.server.public_url
    documents = _documents(services, public_url)
    metrics = Metrics(services, [dialect.name for dialect in DIALECTS], traffic)
    token = settings.metrics.token
    routers = [
        health.router(
            traffic, _readiness(services, settings), metrics.exposition, token.get_secret_value() if token else None
        ),
        downloads.router(services),
        openapi.router(documents, __version__, public_url),
        pages.router([_api(dialect, documents[dialect.name]) for dialect in DIALECTS], __version__),
    ]
    app.state.wires, app.state.job_watch = {}, JobWatch(services.database)
    for dialect in DIALECTS:
        own = _per_tenant(dialect.name, lambda options: options, settings, services.tenant_options)
        wire = Wire(dialect=dialect, on=services, settings=own, public_url=public_url)
        app.state.wires[dialect.name] = wire
        routers.append(dialect.router(wire))
    for router in routers:
        app.include_router(router)
    surfaces = [*(dialect.errors for dialect in DIALECTS), downloads.ERRORS]
    rules = RequestLimits(
        max_body=settings.server.max_body_bytes,
        body_seconds=settings.server.body_seconds,
        traffic=traffic,
        proxies=Proxies(settings.server.trusted_proxies),
        hosts=ServedHosts(settings.server, link_urls=_link_urls(settings)),
        hsts_seconds=settings.server.hsts_seconds,
        record_request=metrics.record_request,
    )
    return build_middleware(app, routers, surfaces, rules)


def _api(dialect: Dialect[Any], document: Mapping[str, Any]) -> ApiDocument:
    """Describe a dialect for the pages of the server."""
    return ApiDocument(
        name=dialect.name,
        title=document["info"]["title"].removeprefix("Offtake: "),
        base=dialect.errors.prefixes[0],
        path=dialect.document_path,
    )


def _link_urls(settings: Settings) -> set[str]:
    """Return the base URLs of download links that are not on the host of the API, of all tenants."""
    urls = {settings.table("loop", tenant).link_url for tenant in (None, *settings.tenants)}  # type: ignore[attr-defined]
    return {url for url in urls if url}


def _readiness(services: Services, settings: Settings) -> Readiness:
    server = settings.server
    silence = timedelta(seconds=server.worker_silence_seconds)
    return Readiness(health_checks(services, free_bytes=server.min_free_mb * 1024 * 1024, silence=silence))


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


def build_maintenance(services: Services, settings: Settings, *, holder: str) -> Maintenance:
    """This process's part in the maintenance of the installation; ``holder`` names it among the others."""
    given = settings.maintenance
    intervals = Intervals(
        rescue=timedelta(seconds=given.rescue_seconds),
        expire=timedelta(seconds=given.expire_seconds),
        sweep=timedelta(seconds=given.sweep_seconds),
        redispatch=timedelta(seconds=given.redispatch_seconds),
    )
    return Maintenance(services, holder, intervals)


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


def _documents(services: Services, public_url: str | None) -> dict[str, dict[str, Any]]:
    return {item.name: item.document(services.catalogue, public_url) for item in DIALECTS}


def _per_tenant(
    table: str, make: Callable[[Any], Built], settings: Settings, stored: TenantOptions
) -> PerTenant[Built]:
    """Build a value from a table of settings: one for all tenants, and one for each tenant with options of its own."""
    overrides = TenantOverrides(
        table=table,
        in_settings=frozenset(tenant for tenant, own in settings.tenants.items() if table in own),
        stored=stored,
        build=lambda tenant, own: make(tenant_table(settings, table, tenant, own)),
    )
    return PerTenant(default=make(settings.table(table)), overrides=overrides)


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


def _attempt_policy(settings: Settings, artifacts: ArtifactStore) -> AttemptPolicy:
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
