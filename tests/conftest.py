"""Shared fixtures that take seconds to make: sample data, and installations with running servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from itertools import chain, zip_longest
from pathlib import Path

import pytest

from tests.fixtures.buckets import S3Server, moto_server, rclone_server
from tests.fixtures.databases import fresh_database, postgresql_server, state_setting
from tests.fixtures.installation import Installation, Served, served
from tests.fixtures.sample import Sample, sample_in

# Enough rows for an export that takes seconds, so that tests can act while it runs.
LARGE_CALLS = 200_000
# Tests send more requests than the vendors allow, more wrong secrets than one address may, and for months that become
# too old.
PATIENT = (
    "[logins]\nfailures_per_address = 100000\nfailures_per_name = 100000\n"
    "[khoros]\nrequests_per_minute = 0\nhistory_months = 0\n"
    "[loop]\nreads_per_minute = 100000\ncreates_per_minute = 100000\n"
)
PUBLIC_URL = "https://exports.example.org/care"
# Folders whose files take longest: those of the first wait most of the time, those of the second calculate.
_WAITING, _CALCULATING = "tests/fault/", "tests/property/"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that none of them runs alone at the end; waiting ones alternate with others."""
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.nodeid.partition("::")[0], []).append(item)
    waiting = [name for name in files if name.startswith(_WAITING)]
    calculating = [name for name in files if name.startswith(_CALCULATING)]
    first = [name for pair in zip_longest(waiting, calculating) for name in pair if name is not None]
    items[:] = chain.from_iterable(files[name] for name in dict.fromkeys([*first, *files]))


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A lake with sample data; tests only read it."""
    return sample_in(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server for all tests."""
    with postgresql_server(tmp_path_factory.mktemp("postgresql")) as url:
        yield url


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """An empty installation; its processes are stopped afterwards."""
    made = Installation(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_installations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Installation]]:
    """Installations that exist for the length of a test module."""
    made: list[Installation] = []

    def make(name: str) -> Installation:
        made.append(Installation(tmp_path_factory.mktemp(name) / "home"))
        return made[-1]

    yield make
    for item in made:
        item.close()


@pytest.fixture(scope="session")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that runs exports, with default settings except for the debug log and ``PATIENT``."""
    settings = f'[log]\nlevel = "debug"\n{PATIENT}'
    with served(tmp_path_factory.mktemp("busy") / "home", settings, workers=1) as made:
        yield made


@pytest.fixture(scope="session")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server without workers and with a public URL: every job stays queued."""
    settings = f'[server]\npublic_url = "{PUBLIC_URL}"\n{PATIENT}'
    with served(tmp_path_factory.mktemp("idle") / "home", settings, workers=0) as made:
        yield made


@pytest.fixture(scope="session")
def busy_on_postgresql(tmp_path_factory: pytest.TempPathFactory, postgresql: str) -> Iterator[Served]:
    """As ``busy``, with its state in PostgreSQL."""
    settings = f"{state_setting(fresh_database(postgresql))}\n{PATIENT}"
    with served(tmp_path_factory.mktemp("busy-postgresql") / "home", settings, workers=1) as made:
        yield made


@pytest.fixture(scope="session")
def idle_on_postgresql(tmp_path_factory: pytest.TempPathFactory, postgresql: str) -> Iterator[Served]:
    """As ``idle``, with its state in PostgreSQL."""
    settings = f"{state_setting(fresh_database(postgresql))}\n{PATIENT}"
    with served(tmp_path_factory.mktemp("idle-postgresql") / "home", settings, workers=0) as made:
        yield made


@pytest.fixture(scope="session")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose tokens and links are valid for two seconds, with a limit of three rows except for Khoros."""
    settings = f"[talkdesk]\nrows = 3\nlink_seconds = 2\ntoken_seconds = 2\n{PATIENT}rows = 3\nlink_seconds = 2\n"
    with served(tmp_path_factory.mktemp("hasty") / "home", settings, workers=1) as made:
        yield made


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A home with a tenant ``acme`` whose calls take seconds to export; its workers stop without waiting for them."""
    made = Installation(tmp_path_factory.mktemp("large") / "home")
    made.init("[worker]\nthreads = 1\ndrain_seconds = 0\n")
    made.add_tenant("acme")
    made.seed("acme", calls=LARGE_CALLS, until=date(2026, 3, 31))
    yield made
    made.close()


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    """An S3 server that supports conditional requests and does not check signatures."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server that checks signatures and supports neither ranges nor conditional requests."""
    with rclone_server(tmp_path_factory.mktemp("rclone")) as server:
        yield server
