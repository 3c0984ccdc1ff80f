"""The composition root: the only place that sees everything, and that turns settings into services, app and worker."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime, timedelta

from fastapi import FastAPI
from starlette.types import ASGIApp

from offtake import __version__
from offtake.artifacts.store import ArtifactStore
from offtake.catalogue import BUILT_IN
from offtake.catalogue.load import Catalogue, load_catalogue
from offtake.core.parts import ROWS_PER_MEMORY_MB
from offtake.core.policy import AttemptPolicy, DialectLimits
from offtake.core.services import Services
from offtake.home import Home
from offtake.lake.delta import Lake
from offtake.lake.tables import tables
from offtake.settings import Settings, TalkdeskSettings
from offtake.store.database import Database, sqlite_url
from offtake.store.migrate import migrate
from offtake.wire import DIALECTS, Wire, links
from offtake.wire.http import chain


def build_services(home: Home, settings: Settings) -> Services:
    """Open the home: database (brought to the newest schema), catalogue, artifact store, lake."""
    home.require()
    database = Database(sqlite_url(home.state))
    migrate(database)
    artifacts = ArtifactStore(home.artifacts)
    artifacts.prepare()
    return Services(
        database=database,
        lake=Lake(home.lake),
        artifacts=artifacts,
        catalogue=build_catalogue(home, settings),
        presentations={item.name: item.presentation(_section(settings, item.name)) for item in DIALECTS},
        limits={"talkdesk": _talkdesk_limits(settings.talkdesk)},
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
    app = FastAPI(title="Offtake", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False)
    wire = Wire(on=services, public_url=settings.server.public_url)
    for dialect in DIALECTS:
        app.include_router(dialect.router(wire))
    app.include_router(links.router(wire))
    surfaces = [*(dialect.errors for dialect in DIALECTS), links.ERRORS]
    return chain(app, surfaces, max_body=settings.server.max_body_bytes)


def _section(settings: Settings, name: str) -> dict[str, object]:
    section: dict[str, object] = getattr(settings, name).model_dump()
    return section


def _talkdesk_limits(settings: TalkdeskSettings) -> DialectLimits:
    return DialectLimits(
        open_jobs=settings.open_jobs,
        longest_timespan=timedelta(days=settings.longest_days),
        rows=settings.rows,
        retention=timedelta(days=settings.retention_days),
        link_life=timedelta(seconds=settings.link_seconds),
        token_life=timedelta(seconds=settings.token_seconds),
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
    )
