"""Fixtures that run each test on every database of ``databases.DATABASES``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url

from offtake.app import build_services
from offtake.core.services import Services
from offtake.home import Home
from offtake.settings import Settings
from offtake.store.database import Database, sqlite_url
from offtake.store.migrate import migrate
from tests.fixtures.databases import DATABASES, fresh_database


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "state.db")
    return fresh_database(request.getfixturevalue("postgresql"))


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest schema, to be copied."""
    file = tmp_path_factory.mktemp("sqlite") / "state.db"
    _migrate(sqlite_url(file))
    return file


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: str) -> str:
    """The name of a PostgreSQL database with the newest schema, to be copied."""
    url = fresh_database(postgresql)
    _migrate(url)
    return str(make_url(url).database)


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with the newest schema."""
    if request.param == "sqlite":
        copy = tmp_path / "copy.db"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), copy)
        url = sqlite_url(copy)
    else:
        like = request.getfixturevalue("migrated_postgresql")
        url = fresh_database(request.getfixturevalue("postgresql"), like=like)
    opened = Database(url)
    yield opened
    opened.close()


def _migrate(url: str) -> None:
    database = Database(url)
    migrate(database)
    database.close()


@pytest.fixture
def services(database: Database, tmp_path: Path) -> Services:
    """The core's services with that database."""
    home = Home(tmp_path / "home")
    home.create()
    built = build_services(home, Settings())
    built.database.close()
    return replace(built, database=database)
