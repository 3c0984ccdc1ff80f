"""Lookups are bounded, read one tenant only, and report an unavailable lake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from offtake.core import lookups
from offtake.core.services import Services
from offtake.errors import NotPermitted, Unavailable
from offtake.model.lookups import Queue
from tests.fixtures.exports import caller
from tests.fixtures.installation import Installation

MANY = 10_001


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "home")
    made.init()
    return made


@pytest.fixture
def on(here: Installation) -> Iterator[Services]:
    with here.services() as opened:
        yield opened


def test_queues_in_use_of_one_tenant_by_name(here: Installation, on: Services) -> None:
    rows = [
        {"queue_id": "q2", "name": "B", "number": 2},
        {"queue_id": "q1", "name": "A", "description": "first", "is_archived": False},
        {"queue_id": "q3", "name": "C", "is_archived": True},
    ]
    here.load("queue", rows, tenant="acme")
    here.load("queue", [{"queue_id": "q4", "name": "Theirs"}], tenant="other")
    assert lookups.queues(caller(), on) == [
        Queue(id="q1", number=None, name="A", description="first"),
        Queue(id="q2", number=2, name="B", description=None),
    ]
    assert lookups.teams(caller(), on) == []


def test_a_look_up_is_bounded(here: Installation, on: Services) -> None:
    here.load("queue", [{"queue_id": f"q{n}", "name": f"{n:06}"} for n in range(MANY)], tenant="acme")
    assert len(lookups.queues(caller(), on)) == MANY - 1


def test_a_look_up_needs_the_read_scope(on: Services) -> None:
    with pytest.raises(NotPermitted):
        lookups.teams(caller(scopes=frozenset()), on)


def test_an_unavailable_lake_is_a_retryable_error(here: Installation, on: Services) -> None:
    here.load("smart_view", [{"smart_view_id": "v", "name": "V", "expression": "priority >= 1"}], tenant="acme")
    for file in (here.home / "lake" / "smart_view").rglob("*.parquet"):
        file.write_bytes(b"not a table")
    with pytest.raises(Unavailable):
        lookups.smart_views(caller(), on)
