"""The HTTP application: all dialects, the shared download path, health checks and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.responses import Response
from starlette.types import ASGIApp

from offtake import __version__
from offtake.composition.per_tenant import per_tenant
from offtake.core.admin.health import health_checks
from offtake.core.exports.watch import JobWatch
from offtake.core.services import Services
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
from offtake.settings import Settings
from offtake.tls import Tls
from offtake.wire import openapi, pages
from offtake.wire.dialect import Dialect, Wire
from offtake.wire.dialects import DIALECTS
from offtake.wire.pages import ApiDocument

_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}


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
        own = per_tenant(dialect.name, lambda options: options, settings, services.tenant_options)
        wire = Wire(dialect=dialect, on=services, settings=own, public_url=public_url)
        app.state.wires[dialect.name] = wire
        groups.append(RouteGroup(dialect.router(wire), dialect.errors.prefixes))
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
    return build_middleware(app, groups, _error_surfaces(), rules)


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
