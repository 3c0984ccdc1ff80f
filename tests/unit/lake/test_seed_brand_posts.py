"""Sample data of brand posts: each is drafted, perhaps planned and approved, and perhaps appears, in that order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import duckdb
import pytest

from offtake.lake.delta import Lake
from offtake.lake.seed import SIZES, SeedPlan, seed
from offtake.lake.seed.calendar import changes_of_clocks
from tests.unit.lake.stored import TABLES, seen

PLAN = SeedPlan(tenant="acme", until=date(2026, 11, 20), calls=SIZES["small"])


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    lake = Lake(tmp_path_factory.mktemp("seeded") / "lake")
    seed(lake, PLAN, only=("brand_post",))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        files = list(seen(lake, TABLES["brand_post"]).files)
        options = "hive_partitioning = true, hive_types_autocast = false"
        connection.execute(f"CREATE TABLE brand_post AS SELECT * FROM read_parquet({files!r}, {options})")
        yield connection


def _none(db: duckdb.DuckDBPyConnection, condition: str) -> None:
    assert db.execute(f"SELECT brand_post_id FROM brand_post WHERE {condition}").fetchall() == []


def _some(db: duckdb.DuckDBPyConnection, condition: str) -> None:
    assert db.execute(f"SELECT count(*) > 0 FROM brand_post WHERE {condition}").fetchone() == (True,), condition


def test_a_post_is_drafted_then_planned_then_appears(db: duckdb.DuckDBPyConnection) -> None:
    _none(db, "scheduled_at < created_at OR published_at < created_at OR published_at < scheduled_at")
    _none(db, "(published_at IS NOT NULL) <> (status IN ('PUBLISHED', 'DELETED'))")
    _none(db, "status = 'DRAFT' AND (scheduled_at IS NOT NULL OR approving_agent_id IS NOT NULL)")
    _none(db, f"(status = 'SCHEDULED') <> coalesce(scheduled_at >= '{PLAN.end.isoformat()}', false)")
    _none(db, f"created_at >= '{PLAN.end.isoformat()}' OR published_at >= '{PLAN.end.isoformat()}'")
    _none(db, "agent_id = approving_agent_id")
    for status in ("DRAFT", "SCHEDULED", "PUBLISHED", "FAILED", "DELETED"):
        _some(db, f"status = '{status}'")
    _some(db, "date_trunc('month', published_at) > date_trunc('month', created_at)")


def test_only_what_has_appeared_is_counted(db: duckdb.DuckDBPyConnection) -> None:
    counts = ("url", "likes", "comments", "shares", "clicks", "impressions", "reach")
    _none(db, f"published_at IS NULL AND ({' OR '.join(f'{name} IS NOT NULL' for name in counts)})")
    _none(db, "reach > impressions")


def test_columns_have_values_and_gaps(db: duckdb.DuckDBPyConnection) -> None:
    for column in TABLES["brand_post"].columns:
        if column.name not in TABLES["brand_post"].must_have:
            _some(db, f'"{column.name}" IS NULL')
            _some(db, f'"{column.name}" IS NOT NULL')
    _some(db, "body LIKE '%\n%'")
    _some(db, "tags = []")


def test_some_appear_around_changes_of_clocks(db: duckdb.DuckDBPyConnection) -> None:
    near = (f"abs(epoch(published_at) - {at.timestamp()}) < 86400" for at in changes_of_clocks(PLAN))
    _some(db, " OR ".join(near))
