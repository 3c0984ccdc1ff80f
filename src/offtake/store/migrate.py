"""Migration of the state database to the newest schema.

Several processes may migrate at the same time: each takes a lock of the database before it reads the version, so the
first one migrates and the others find the newest version.
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
_ADVISORY_LOCK = 7_013_346  # arbitrary, but the same in every release


def migrate(database: Database) -> None:
    """Upgrade to the newest revision. Raises SettingsError if a newer release has migrated the database."""
    config = _config()
    with database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        revision = MigrationContext.configure(connection).get_current_revision()
        if revision is not None and revision not in _known_revisions():
            raise SettingsError(
                "A newer release of Offtake has migrated the state database; run that release or a later one."
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_older(database: Database) -> bool:
    """Whether the database lacks a revision that this release needs.

    A newer schema is accepted: its additions do not affect this release, and two releases run together during an
    upgrade.
    """
    with database.read() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    return revision is None or revision in _older_revisions()


@lru_cache
def _known_revisions() -> frozenset[str]:
    """Return all revisions of this release."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


@lru_cache
def _older_revisions() -> frozenset[str]:
    """Return all revisions but the newest."""
    return _known_revisions() - {ScriptDirectory.from_config(_config()).get_current_head() or ""}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
