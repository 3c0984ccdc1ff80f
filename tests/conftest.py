"""Fixtures for tests that need a whole installation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fixtures.installation import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """An empty installation; whatever it started is stopped."""
    made = Installation(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_installations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Installation]]:
    """Installations that live as long as a test module."""
    made: list[Installation] = []

    def make(name: str) -> Installation:
        made.append(Installation(tmp_path_factory.mktemp(name) / "home"))
        return made[-1]

    yield make
    for item in made:
        item.close()
