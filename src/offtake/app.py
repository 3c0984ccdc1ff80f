"""The composition root: builds the services from the settings."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache, partial

from offtake.composition.catalogue import build_catalogue
from offtake.composition.paths import state_url
from offtake.composition.per_tenant import per_tenant
from offtake.composition.resources import attempt_policy
from offtake.composition.storage import build_artifacts, build_table_storage, check_lake_folder, open_source_bucket
from offtake.core.logins import Logins
from offtake.core.preview_slots import PreviewSlots
from offtake.core.services import Services
from offtake.core.tenant_options import TenantOptions
from offtake.home import Home
from offtake.lake.delta import Lake
from offtake.settings import Settings
from offtake.store import installation
from offtake.store.database import Database
from offtake.store.migrate import migrate
from offtake.wire.presentations import DIALECT_NAMES, PRESENTATIONS


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
        lake=Lake(build_table_storage(home, settings), timedelta(days=settings.maintenance.tombstone_days)),
        artifacts=artifacts,
        load_catalogue=cache(partial(build_catalogue, home, settings)),
        presentations={name: per_tenant(name, present, settings, options) for name, present in PRESENTATIONS.items()},
        limits={name: per_tenant(name, lambda own: own.limits(), settings, options) for name in DIALECT_NAMES},
        budgets=per_tenant("budget", lambda own: own.budget(), settings, options),
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
