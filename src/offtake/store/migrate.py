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

MIGRATIONS = Path(__file__).with_name("migrations")
_ADVISORY_LOCK = 7_013_346  # arbitrary, but the same in every release


def migrate(database: Database, scripts: Path = MIGRATIONS) -> None:
    """Upgrade to the newest revision in the folder ``scripts``.

    Raises SettingsError if a newer release has migrated the database.
    """
    config = _config(scripts)
    with database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        revision = MigrationContext.configure(connection).get_current_revision()
        if revision is not None and revision not in _known_revisions(scripts):
            raise SettingsError(
                "A newer release of Offtake has migrated the state database; run that release or a later one."
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_older(database: Database, scripts: Path = MIGRATIONS) -> bool:
    """Whether the database lacks a revision of the folder ``scripts``.

    A newer schema is accepted: its additions do not affect this release, and two releases run together during an
    upgrade.
    """
    with database.read() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    return revision is None or revision in _older_revisions(scripts)


@lru_cache
def _known_revisions(scripts: Path) -> frozenset[str]:
    """Return all revisions of the folder."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config(scripts)).walk_revisions())


@lru_cache
def _older_revisions(scripts: Path) -> frozenset[str]:
    """Return all revisions but the newest."""
    return _known_revisions(scripts) - {ScriptDirectory.from_config(_config(scripts)).get_current_head() or ""}


def _config(scripts: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    return config
