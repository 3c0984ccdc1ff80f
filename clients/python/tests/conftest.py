"""A server with calls to export, and clients of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from offtake_client import Offtake
from tests.fixtures import loop
from tests.fixtures.installation import Served, served

CALLS = 4_000
UNTIL = date(2026, 3, 31)
MARCH = {"start": "2026-03-01", "end": "2026-04-01"}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a tenant whose calls of March are sample data."""
    settings = "[native]\ncreates_per_minute = 100000\npreviews_per_minute = 100000\n"
    with served(tmp_path_factory.mktemp("client") / "home", settings, workers=1) as made:
        made.installation.add_tenant("acme")
        made.installation.seed("acme", calls=CALLS, until=UNTIL)
        yield made


@pytest.fixture(scope="session")
def token(server: Served) -> str:
    """A token of the tenant."""
    return loop.token(server.installation, "acme", user=None)


@pytest.fixture
def offtake(server: Served, token: str) -> Iterator[Offtake]:
    """A client of the server."""
    with Offtake(server.url, token=token) as made:
        yield made


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Profiles and records of the tests, apart from those of the user who runs them."""
    for name in [name for name in os.environ if name.startswith("OFFTAKE_CLIENT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
