"""Exports with filters and an order: the rows are the same in one partition and in several, and in every format."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars
import pytest

from offtake.app import build_services
from offtake.core.admin import identity
from offtake.core.exports.create import create_export
from offtake.core.exports.read import JobRef, get_export
from offtake.core.services import Services
from offtake.home import Home
from offtake.model.column_filter import ColumnFilter, FilterOperator
from offtake.model.request import ExportRequest
from offtake.model.tenant import Tenant
from offtake.model.timespan import Timespan
from offtake.settings import Settings
from tests.fixtures.exports import caller
from tests.fixtures.sample import Sample
from tests.fixtures.storage_paths import artifact_path
from tests.fixtures.workers import run_next_attempt

WEEK = Timespan(start=datetime(2026, 11, 9, tzinfo=UTC), end=datetime(2026, 11, 16, tzinfo=UTC), zone="UTC")
ACTIONS = ExportRequest(dialect="native", report="conversation_actions", format="csv", timespan=WEEK, name="filtered")
ORDER = ("-agent_name", "happened_at")


@pytest.fixture
def on(tmp_path: Path, sample: Sample) -> Iterator[Services]:
    home = Home(tmp_path / "home")
    home.create()
    services = build_services(home, Settings())
    identity.add_tenant(Tenant(name="acme"), services)
    yield replace(services, lake=sample.lake)
    services.database.close()


def exported(on: Services, request: ExportRequest) -> list[dict[str, Any]]:
    """The rows of the file that an attempt makes."""
    job = create_export(request, caller(), on)
    run_next_attempt(on)
    artifact = get_export(JobRef(id=job.id, dialect=request.dialect), caller(), on).artifact
    assert artifact is not None
    path = artifact_path(on, artifact.key)
    if request.format == "parquet":
        return polars.read_parquet(path).to_dicts()
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def in_order(row: Mapping[str, str]) -> tuple[Any, ...]:
    """Descending by the agent's name, rows without one last; then by the instant and the key."""
    return (
        not row["agent_name"],
        [-ord(each) for each in row["agent_name"]] + [1],
        row["happened_at"],
        row["action_id"],
    )


def test_filters_and_order_give_the_same_rows_with_any_partitions(on: Services) -> None:
    every = exported(on, ACTIONS)
    kinds = sorted({row["kind"] for row in every})[:3]
    middle = sorted(row["happened_at"] for row in every)[len(every) // 2]
    filters = (
        ColumnFilter(column="kind", operator=FilterOperator.IN, values=tuple(kinds)),
        ColumnFilter(
            column="happened_at", operator=FilterOperator.RANGE, values=(None, datetime.fromisoformat(middle))
        ),
    )
    expected = sorted((row for row in every if row["kind"] in kinds and row["happened_at"] < middle), key=in_order)
    assert 0 < len(expected) < len(every) / 2
    request = replace(ACTIONS, filters=filters, order=ORDER)
    assert exported(on, request) == expected
    divided = replace(on, attempt=replace(on.attempt, partition_rows=200))
    assert exported(divided, request) == expected
    unsorted = exported(divided, replace(request, order=()))
    assert sorted(unsorted, key=in_order) == expected
    typed = exported(divided, replace(request, format="parquet"))
    assert [row["action_id"] for row in typed] == [row["action_id"] for row in expected]
