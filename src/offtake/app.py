"""The composition root: builds services, application and workers from the settings."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.responses import Response
from starlette.types import ASGIApp

from offtake import __version__
from offtake.catalogue import BUILT_IN
from offtake.catalogue.load import Catalogue, load_catalogue, report_folders
from offtake.composition.resources import attempt_policy
from offtake.composition.storage import build_artifacts, build_table_storage, check_lake_folder, open_source_bucket
from offtake.core.admin.health import health_checks
from offtake.core.exports.watch import JobWatch
from offtake.core.logins import Logins
from offtake.core.policy import PerTenant
from offtake.core.preview_slots import PreviewSlots
from offtake.core.services import Services
from offtake.core.tenant_options import TenantOptions, TenantOverrides
from offtake.home import Home
from offtake.http import downloads, health
from offtake.http.errors import ErrorSurface, HttpFault
from offtake.http.health import Readiness
from offtake.http.hosts import ServedHosts
from offtake.http.limit_settings import traffic_limits
from offtake.http.metrics import Metrics
from offtake.http.middleware import RequestLimits, build_middleware
from offtake.http.proxies import Proxies
from offtake.http.routing import RouteGroup
from offtake.http.traffic import Traffic
from offtake.lake.delta import Lake
from offtake.lake.tables import tables
from offtake.objects.location import parse_location
from offtake.settings import Settings
from offtake.store import installation
from offtake.store.database import Database, sqlite_files, sqlite_url
from offtake.store.migrate import migrate
from offtake.tenant_settings import tenant_table
from offtake.tls import Tls
from offtake.wire import DIALECTS, PRESENTATIONS, Dialect, Wire, openapi, pages
from offtake.wire.pages import ApiDocument

Built = TypeVar("Built")
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}


def build_services(home: Home, settings: Settings) -> Services:
    """Open the home: database (migrated to the current schema), catalogue, artifact store and lake."""
    home.require()
    keys = home.signing_keys()
    keys.keys()  # refuse unusable files at the start
    check_lake_folder(home, settings)
    database = Database(state_url(home, settings))
    database.check_connection()
    migrate(database)
    artifacts = build_artifacts(home, settings)
    artifacts.prepare()
    options = TenantOptions(database)
    options.all()  # the first read, which must not be in a transaction
    return Services(
        database=database,
        tenant_options=options,
        lake=Lake(build_table_storage(home, settings)),
        artifacts=artifacts,
        catalogue=build_catalogue(home, settings),
        presentations={name: _per_tenant(name, make, settings, options) for name, make in PRESENTATIONS.items()},
        limits={item.name: _per_tenant(item.name, lambda own: own.limits(), settings, options) for item in DIALECTS},
        budgets=_per_tenant("budget", lambda own: own.budget(), settings, options),
        attempt=attempt_policy(settings, artifacts),
        previews=PreviewSlots(settings.preview.policy()),
        logins=Logins(settings.logins.policy(), salt=_login_salt(database)),
        signing_keys=keys.keys,
        clock=lambda: datetime.now(UTC),
        new_id=lambda: str(uuid.uuid4()),
        new_secret=lambda: secrets.token_urlsafe(32),
        bucket=partial(open_source_bucket, home, settings),
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
    return load_catalogue(BUILT_IN, *own, tables=columns, dialects=list(PRESENTATIONS))


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
    # Dialects read and document requests. FastAPI's telemetry would record paths and queries, which hold secrets.
    app = FastAPI(openapi_url=None, redirect_slashes=False, telemetry=_NO_TELEMETRY)
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
    groups = [RouteGroup(router) for router in routers]
    app.state.wires, app.state.job_watch = {}, JobWatch(services.database)
    for dialect in DIALECTS:
        own = _per_tenant(dialect.name, lambda options: options, settings, services.tenant_options)
        wire = Wire(dialect=dialect, on=services, settings=own, public_url=public_url)
        app.state.wires[dialect.name] = wire
        routers.append(dialect.router(wire))
        groups.append(RouteGroup(routers[-1], dialect.errors.prefixes))
    app.router.routes.extend(groups)
    rules = RequestLimits(
        max_body=settings.server.max_body_bytes,
        body_seconds=settings.server.body_seconds,
        traffic=traffic,
        proxies=Proxies(settings.server.trusted_proxies),
        hosts=ServedHosts(settings.server, link_urls=_link_urls(settings)),
        hsts_seconds=settings.server.hsts_seconds,
        record_request=metrics.record_request,
    )
    return build_middleware(app, routers, _error_surfaces(), rules)


def _error_surfaces() -> list[ErrorSurface]:
    """Return who answers the errors of which paths."""
    return [*(dialect.errors for dialect in DIALECTS), downloads.ERRORS]


def render_unparsed(fault: HttpFault, path: str) -> Response | None:
    """Return the answer to a request that is refused before it is parsed, if the path's dialect has one."""
    found = (surface for surface in _error_surfaces() if surface.renders_unparsed and surface.owns(path))
    return next((surface.render(fault, path) for surface in found), None)


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
