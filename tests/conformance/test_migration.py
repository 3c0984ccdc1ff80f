"""Concurrent and killed migrations: the result is one schema with all rows."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import text

import offtake.store
from offtake.store.database import Database
from offtake.store.migrate import migrate
from offtake.store.schema import metadata
from tests.fixtures.exports import NOON

ROOT = Path(__file__).parents[2]
MIGRATIONS = Path(offtake.store.__file__).parent / "migrations"
SPARED = 0
FIRST = "0001"
AT_ONCE = 3


def start(url: str, killed_after: int) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-m", "tests.fixtures.doomed_migration", url, str(killed_after)]
    return subprocess.Popen(arguments, cwd=ROOT)


def make_old(url: str) -> None:
    """Create a database of the first release with a tenant and a queued job."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    database = Database(url)
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, FIRST)
    instant = NOON if not database.reads_in_process else int(NOON.timestamp() * 1_000_000)
    values = {"now": instant}
    with database.write() as connection:
        connection.execute(text("INSERT INTO tenant (name, zone, created_at) VALUES ('acme', 'UTC', :now)"), values)
        connection.execute(
            text(
                "INSERT INTO job (id, tenant, principal, dialect, report, format, request, status, fence, attempts,"
                " created_at, not_before)"
                " VALUES ('old', 'acme', 'p', 'talkdesk', 'calls', 'csv', '{}', 'queued', 0, 0, :now, :now)"
            ),
            values,
        )
    database.close()


@pytest.mark.parametrize("age", ["empty", "old"])
def test_concurrent_migrations_with_killed_processes_make_one_schema(database_url: str, age: str) -> None:
    if age == "old":
        make_old(database_url)
    doomed = [start(database_url, killed_after) for killed_after in (8, 14)]
    spared = [start(database_url, SPARED) for _ in range(AT_ONCE)]
    # A process that finds the migration done executes too few statements to be killed.
    assert {process.wait(120) for process in doomed} <= {-signal.SIGKILL, 0}
    assert [process.wait(120) for process in spared] == [0] * AT_ONCE
    assert_newest(database_url, jobs=1 if age == "old" else 0)


@pytest.mark.parametrize("age", ["empty", "old"])
def test_a_killed_migration_leaves_the_database_unchanged(database_url: str, age: str) -> None:
    if age == "old":
        make_old(database_url)
    for killed_after in (4, 9, 15):
        assert start(database_url, killed_after).wait(120) == -signal.SIGKILL
    database = Database(database_url)
    with database.write() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    database.close()
    assert revision == (FIRST if age == "old" else None)
    assert start(database_url, SPARED).wait(120) == 0
    assert_newest(database_url, jobs=1 if age == "old" else 0)


def assert_newest(url: str, *, jobs: int) -> None:
    database = Database(url)
    migrate(database)
    with database.write() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        found = connection.execute(text("SELECT count(*) FROM job WHERE estimated_seconds = 0")).scalar_one()
    database.close()
    assert found == jobs
