"""The composition root: the only place that sees everything, and that turns settings into services, app and worker."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from fastapi import FastAPI
from starlette.types import ASGIApp

from offtake import __version__
from offtake.artifacts.store import ArtifactStore
from offtake.catalogue import BUILT_IN
from offtake.catalogue.load import Catalogue, load_catalogue
from offtake.core.parts import ROWS_PER_MEMORY_MB
from offtake.core.policy import AttemptPolicy, PerTenant
from offtake.core.services import Services
from offtake.home import Home
from offtake.lake.delta import Lake
from offtake.lake.tables import tables
from offtake.settings import Settings
from offtake.store.database import Database, sqlite_url
from offtake.store.migrate import migrate
from offtake.wire import DIALECTS, Dialect, Wire, described, links
from offtake.wire.http import chain

Made = TypeVar("Made")


def build_services(home: Home, settings: Settings) -> Services:
    """Open the home: database (brought to the newest schema), catalogue, artifact store, lake."""
    home.require()
    database = Database(settings.state_url or sqlite_url(home.state))
    database.require()
    migrate(database)
    artifacts = ArtifactStore(home.artifacts)
    artifacts.prepare()
    return Services(
        database=database,
        lake=Lake(home.lake),
        artifacts=artifacts,
        catalogue=build_catalogue(home, settings),
        presentations={item.name: _for_each(item, item.presentation, settings) for item in DIALECTS},
        limits={item.name: _for_each(item, item.limits, settings) for item in DIALECTS},
        attempt=_attempt_policy(settings),
        link_key=home.read_link_key(),
        clock=lambda: datetime.now(UTC),
        new_id=lambda: str(uuid.uuid4()),
        new_secret=lambda: secrets.token_urlsafe(32),
    )


def build_catalogue(home: Home, settings: Settings) -> Catalogue:
    """The built-in reports and the company's own, checked against the lake's tables. Raises CatalogueError."""
    own = [home.root / folder for folder in settings.catalogue.folders]
    return load_catalogue(BUILT_IN, *own, tables={name: dict(table.stored_columns) for name, table in tables().items()})


def build_app(services: Services, settings: Settings) -> ASGIApp:
    """The HTTP application: every dialect, and the download path they share."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)  # routes read requests themselves; dialects describe them
    public_url = settings.server.public_url
    routers = [links.router(services), described.router(_documents(services, public_url), __version__, public_url)]
    for dialect in DIALECTS:
        own = _for_each(dialect, lambda options: options, settings)
        routers.append(dialect.router(Wire(on=services, settings=own, public_url=public_url)))
    for router in routers:
        app.include_router(router)
    surfaces = [*(dialect.errors for dialect in DIALECTS), links.ERRORS]
    return chain(app, routers, surfaces, max_body=settings.server.max_body_bytes)


def _documents(services: Services, public_url: str | None) -> dict[str, dict[str, Any]]:
    return {item.name: item.document(services.catalogue, public_url) for item in DIALECTS if item.document}


def _for_each(dialect: Dialect[Any], make: Callable[[Any], Made], settings: Settings) -> PerTenant[Made]:
    """What is made of a dialect's settings: once for all tenants, and for each that has its own."""
    return PerTenant(
        every=make(settings.section(dialect.name)),
        own={
            tenant: make(settings.section(dialect.name, tenant))
            for tenant, own in settings.tenants.items()
            if dialect.name in own
        },
    )


def _attempt_policy(settings: Settings) -> AttemptPolicy:
    worker = settings.worker
    return AttemptPolicy(
        threads=worker.threads,
        memory_mb=worker.memory_mb,
        part_rows=worker.memory_mb * ROWS_PER_MEMORY_MB,
        temp_mb=worker.temp_mb,
        attempts=worker.attempts,
        lease=timedelta(seconds=worker.lease_seconds),
        heartbeat=timedelta(seconds=worker.heartbeat_seconds),
        retry_delay=timedelta(seconds=worker.retry_seconds),
        drain=timedelta(seconds=worker.drain_seconds),
        long=timedelta(seconds=worker.long_seconds),
    )
