"""Sample data about agents: teams, states, smart views and the account's calendar are consistent."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest

from offtake.model.expression import parse
from tests.unit.lake.questions import none, values_and_gaps


def test_short_numbers_are_unique(db: duckdb.DuckDBPyConnection) -> None:
    for name in ("team", "queue", "agent"):
        none(db, f"SELECT number FROM {name} WHERE number IS NOT NULL GROUP BY number HAVING count(*) > 1")


@pytest.mark.parametrize(
    ("name", "never_null"),
    [
        ("team", ("number", "is_archived")),
        ("queue", ("number", "is_archived")),
        ("agent", ("family_name", "created_at")),
        ("agent_state", ("kind",)),
    ],
)
def test_optional_columns_are_filled_and_have_gaps(
    db: duckdb.DuckDBPyConnection, name: str, never_null: tuple[str, ...]
) -> None:
    values_and_gaps(db, name, never_null=never_null)


def test_names_are_made_of_their_parts(db: duckdb.DuckDBPyConnection) -> None:
    none(db, "SELECT name FROM agent WHERE name <> concat_ws(' ', given_name, family_name)")


def test_agents_are_created_before_their_first_work(db: duckdb.DuckDBPyConnection) -> None:
    none(db, "SELECT name FROM agent JOIN agent_state USING (agent_id) WHERE started_at <= created_at")
    none(db, "SELECT name FROM agent WHERE last_login_at <= created_at")


def test_agents_are_members_of_their_team_and_of_others(db: duckdb.DuckDBPyConnection) -> None:
    none(
        db,
        "SELECT agent_id FROM agent WHERE team_id IS NOT NULL "
        "AND (team_id, agent_id) NOT IN (SELECT (team_id, agent_id) FROM team_member)",
    )
    counts = {row[0] for row in db.execute("SELECT count(*) FROM team_member GROUP BY agent_id").fetchall()}
    assert counts == {1, 2, 3}


def test_kinds_of_states_match_their_labels(db: duckdb.DuckDBPyConnection) -> None:
    found = dict(db.execute("SELECT DISTINCT state, kind FROM agent_state").fetchall())
    assert found["Available"] == "available"
    assert found["On A Call"] == found["After Call Work"] == "busy"
    assert found["Away"] == found["Lunch"] == "away"
    assert found["offline"] == "offline"
    none(db, "SELECT state FROM agent_state GROUP BY state HAVING count(DISTINCT (kind, state_id)) > 1")
    none(db, "SELECT state FROM agent_state WHERE kind = 'offline' AND is_mobile IS NOT NULL")


def test_smart_views_can_be_read(db: duckdb.DuckDBPyConnection) -> None:
    found = db.execute("SELECT expression FROM smart_view").fetchall()
    assert len(found) == 3
    for (expression,) in found:
        parse(expression)


def test_holidays_include_a_sunday_of_the_requested_days(db: duckdb.DuckDBPyConnection) -> None:
    found = {row[0] for row in db.execute("SELECT day FROM holiday").fetchall()}
    assert {"2026-01-01", "2026-12-25", "2026-11-15"} <= found
    assert datetime(2026, 11, 15, tzinfo=UTC).isoweekday() == 7


def test_opening_hours_match_those_of_the_calls(db: duckdb.DuckDBPyConnection) -> None:
    local = "started_at AT TIME ZONE 'Europe/Lisbon'"
    none(
        db,
        f"SELECT call_id FROM call WHERE is_in_business_hours <> EXISTS (SELECT 1 FROM business_hours "
        f"WHERE weekday = CAST(isodow({local}) AS VARCHAR) AND strftime({local}, '%H:%M') >= opens "
        f"AND strftime({local}, '%H:%M') < closes)",
    )
