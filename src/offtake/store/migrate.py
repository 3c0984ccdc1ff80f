"""Bringing a database to the newest schema.

Safe for several processes at once: each takes the database's own lock before it looks at the version, so one migrates
and the others find the work done.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from offtake.store.database import Database

_MIGRATIONS = Path(__file__).with_name("migrations")
_ADVISORY_LOCK = 7_013_346  # any number, the same in every release


def migrate(database: Database) -> None:
    """Upgrade to the newest revision; a database that is newer than this program is refused by Alembic."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
