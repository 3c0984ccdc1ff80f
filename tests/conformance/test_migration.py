"""Migrations: they make the schema that the code describes, carry data over, and tolerate concurrent starts and kills
at any statement.

Where two revisions are needed, the second is ``fixtures/next_migration.py``.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from offtake.model.job import Job
from offtake.model.tenant import Tenant
from offtake.store import identity, job_queries, jobs
from offtake.store.database import Database
from offtake.store.migrate import MIGRATIONS, is_older, migrate, revisions
from offtake.store.schema import metadata
from tests.fixtures.exports import NOON, queued
from tests.fixtures.next_migration import COLUMNS, down_revision, next_release, revision

ROOT = Path(__file__).parents[2]
SPARED = 0
AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A database to migrate, the folder of migrations, and the data that exists before."""

    url: str
    scripts: Path
    kept: Job | None  # a job that exists before; None for an empty database
    killed_after: tuple[int, ...]  # statements; fewer than the migration has

    def start(self, killed_after: int) -> subprocess.Popen[bytes]:
        """Start a process that migrates the database."""
        arguments = [self.url, str(self.scripts), str(killed_after)]
        return subprocess.Popen([sys.executable, "-m", "tests.fixtures.doomed_migration", *arguments], cwd=ROOT)

    def assert_whole(self) -> None:
        """Check that the database has the newest schema and the data that existed before."""
        database = Database(self.url)
        migrate(database, self.scripts)
        with database.write() as connection:
            if self.kept is None:
                assert compare_metadata(MigrationContext.configure(connection), metadata) == []
            else:
                assert MigrationContext.configure(connection).get_current_revision() == revision
                columns = {column["name"] for column in inspect(connection).get_columns("tenant")}
                assert columns >= set(COLUMNS)
                carried = connection.execute(text("SELECT t.label, n.tenant FROM tenant t, next_thing n")).all()
                assert [tuple(row) for row in carried] == [("acme", "acme")]
                assert job_queries.get(connection, self.kept.id) == self.kept
        database.close()


@pytest.fixture(params=["empty", "old"])
def upgrade(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Upgrade:
    """An empty database for this release; or, for the next one, a database of this release with a tenant and a job."""
    if request.param == "empty":
        return Upgrade(database_url, MIGRATIONS, None, (4, 9, 15))
    waiting = queued()
    database = Database(database_url)
    migrate(database)
    with database.write() as connection:
        identity.add_tenant(connection, Tenant(name="acme"), now=NOON)
        jobs.add(connection, waiting)
    database.close()
    return Upgrade(database_url, next_release(tmp_path / "next"), waiting, (4, 7, 10))


def test_concurrent_migrations_with_one_killed_make_one_schema(upgrade: Upgrade) -> None:
    doomed = [upgrade.start(killed_after) for killed_after in upgrade.killed_after[1:]]
    spared = [upgrade.start(SPARED) for _ in range(AT_ONCE)]
    # A process that finds a migrated database runs too few statements to be killed.
    assert {process.wait(120) for process in doomed} <= {-signal.SIGKILL, 0}
    assert [process.wait(120) for process in spared] == [0] * AT_ONCE
    upgrade.assert_whole()


def test_a_migration_killed_at_any_statement_changes_nothing(upgrade: Upgrade) -> None:
    for killed_after in upgrade.killed_after:
        assert upgrade.start(killed_after).wait(120) == -signal.SIGKILL
    database = Database(upgrade.url)
    with database.write() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        assert found == (None if upgrade.kept is None else down_revision)
    database.close()
    assert upgrade.start(SPARED).wait(120) == 0
    upgrade.assert_whole()


def test_the_names_of_the_files_give_the_revisions_in_their_order(tmp_path: Path) -> None:
    for folder in (MIGRATIONS, next_release(tmp_path / "next")):
        from_base = [script.revision for script in ScriptDirectory(str(folder)).walk_revisions()][::-1]
        assert list(revisions(folder)) == from_base


def test_older_current_and_newer_schemas_are_distinguished(database: Database, tmp_path: Path) -> None:
    of_next = next_release(tmp_path / "next")
    assert (is_older(database), is_older(database, of_next)) == (False, True)
    migrate(database, of_next)
    assert (is_older(database), is_older(database, of_next)) == (False, False)
    with database.write() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    assert is_older(database)


def test_migrations_make_exactly_the_schema_that_the_code_describes(database: Database) -> None:
    """Includes constraints and conditions of indexes, which Alembic's comparison omits."""
    with database.write() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    migrated = _reflected(database.engine)
    metadata.drop_all(database.engine)
    metadata.create_all(database.engine)
    assert _reflected(database.engine) == migrated


def _reflected(engine: Engine) -> dict[str, Any]:
    """Return every table's columns, constraints and indexes by name."""
    found = inspect(engine)
    return {
        table: {
            "columns": _named(found.get_columns(table)),
            "primary key": found.get_pk_constraint(table),
            "foreign keys": _named(found.get_foreign_keys(table)),
            "indexes": _named(found.get_indexes(table)),
            "unique": _named(found.get_unique_constraints(table)),
            "checks": _named(found.get_check_constraints(table)),
        }
        for table in found.get_table_names()
        if table != "alembic_version"
    }


def _named(items: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the items as text, because neither types nor conditions can be compared."""
    found = {}
    for item in items:
        options = {name: str(value) for name, value in item.get("dialect_options", {}).items()}
        found[str(item["name"])] = str({**item, "dialect_options": options})
    return found
