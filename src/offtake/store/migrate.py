"""Migration of the state database to the newest schema.

Several processes may migrate at the same time: each takes a lock of the database before it reads the version, so the
first one migrates and the others find the newest version.

The name of a revision's file is its identifier, or begins with it and an underscore, and the identifiers sort in the
order of the revisions. So a database that has the newest schema already, as at nearly every start, is recognized
without Alembic, whose import alone takes as long as a short command.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from sqlalchemy import inspect, text

from offtake.errors import SettingsError
from offtake.store.database import Database

MIGRATIONS = Path(__file__).with_name("migrations")
_ADVISORY_LOCK = 7_013_346  # arbitrary, but the same in every release


def migrate(database: Database, scripts: Path = MIGRATIONS) -> None:
    """Upgrade to the newest revision in the folder ``scripts``.

    Raises SettingsError if a newer release has migrated the database.
    """
    known = revisions(scripts)
    if _revision(database) != known[-1]:
        _upgrade(database, scripts, known)


def _upgrade(database: Database, scripts: Path, known: tuple[str, ...]) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext

    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    with database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        revision = MigrationContext.configure(connection).get_current_revision()
        if revision is not None and revision not in known:
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
    revision = _revision(database)
    return revision is None or revision in revisions(scripts)[:-1]


@lru_cache
def revisions(scripts: Path = MIGRATIONS) -> tuple[str, ...]:
    """Return the identifiers of all revisions of the folder, the newest last."""
    return tuple(sorted(file.stem.partition("_")[0] for file in (scripts / "versions").glob("*.py")))


def _revision(database: Database) -> str | None:
    """Return the identifier of the newest revision that the database has; None if it has none."""
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
