"""Sample data of brand posts: drafted, then perhaps scheduled and approved, then perhaps published."""

from __future__ import annotations

import duckdb

from offtake.lake.seed.calendar import clock_changes
from tests.fixtures.sample import PLAN
from tests.unit.lake.questions import never, some, values_and_gaps


def test_a_post_is_drafted_then_scheduled_then_published(db: duckdb.DuckDBPyConnection) -> None:
    never(
        db,
        "brand_post",
        "scheduled_at < created_at OR published_at < created_at OR published_at < scheduled_at",
        "(published_at IS NOT NULL) <> (status IN ('PUBLISHED', 'DELETED'))",
        "status = 'DRAFT' AND (scheduled_at IS NOT NULL OR approving_agent_id IS NOT NULL)",
        f"(status = 'SCHEDULED') <> coalesce(scheduled_at >= '{PLAN.end.isoformat()}', false)",
        f"created_at >= '{PLAN.end.isoformat()}' OR published_at >= '{PLAN.end.isoformat()}'",
        "agent_id = approving_agent_id",
    )
    words = ("DRAFT", "SCHEDULED", "PUBLISHED", "FAILED", "DELETED")
    some(db, "brand_post", *(f"status = '{word}'" for word in words))
    some(db, "brand_post", "date_trunc('month', published_at) > date_trunc('month', created_at)")


def test_only_published_posts_have_counts(db: duckdb.DuckDBPyConnection) -> None:
    counts = ("url", "likes", "comments", "shares", "clicks", "impressions", "reach")
    counted = " OR ".join(f"{name} IS NOT NULL" for name in counts)
    never(db, "brand_post", f"published_at IS NULL AND ({counted})", "reach > impressions")


def test_columns_have_values_and_gaps(db: duckdb.DuckDBPyConnection) -> None:
    values_and_gaps(db, "brand_post")
    some(db, "brand_post", "body LIKE '%\n%'")
    some(db, "brand_post", "tags = []")


def test_some_posts_are_published_around_changes_of_clocks(db: duckdb.DuckDBPyConnection) -> None:
    near = (f"abs(epoch(published_at) - {at.timestamp()}) < 86400" for at in clock_changes(PLAN))
    some(db, "brand_post", " OR ".join(near))
