"""Bringing a database to the newest schema.

Safe for several processes at once: each takes the database's own lock before it looks at the version, so one migrates
and the others find the work done.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from offtake.errors import SettingsError
from offtake.store.database import Database

_MIGRATIONS = Path(__file__).with_name("migrations")
_ADVISORY_LOCK = 7_013_346  # any number, the same in every release


def migrate(database: Database) -> None:
    """Upgrade to the newest revision. Raises SettingsError when a newer release than this one has migrated it."""
    config = _config()
    with database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        revision = MigrationContext.configure(connection).get_current_revision()
        if revision is not None and revision not in _all():
            raise SettingsError("The state database was migrated by a newer release of Offtake: run that one.")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_older(database: Database) -> bool:
    """Whether the database lacks a revision that this program needs. A newer one is fine: what is added later does not
    disturb those who do not know it, and two releases run side by side during an upgrade."""
    with database.read() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    return revision is None or revision in _earlier()


@lru_cache
def _all() -> frozenset[str]:
    """Every revision that this release knows."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


@lru_cache
def _earlier() -> frozenset[str]:
    """Every revision before the newest."""
    return _all() - {ScriptDirectory.from_config(_config()).get_current_head() or ""}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
