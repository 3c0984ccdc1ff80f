"""Sample data about people: teams, agents, their states, smart views and the account's calendar fit together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import duckdb
import pytest

from offtake.lake.delta import Lake
from offtake.lake.seed import SeedPlan, seed
from offtake.model.expression import parse
from tests.unit.lake.stored import TABLES, seen

PLAN = SeedPlan(tenant="acme", until=date(2026, 11, 20), calls=300, days=10)
READ = ("team", "queue", "agent", "team_member", "agent_state", "smart_view", "business_hours", "holiday", "call")


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The typed rows of the tables about people."""
    lake = Lake(tmp_path_factory.mktemp("seeded") / "lake")
    seed(lake, PLAN)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name in READ:
            files = list(seen(lake, TABLES[name]).files)
            options = "hive_partitioning = true, hive_types_autocast = false"
            connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM read_parquet({files!r}, {options})')
        yield connection


def _none(db: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert db.execute(sql).fetchall() == []


def test_short_numbers_are_unique(db: duckdb.DuckDBPyConnection) -> None:
    for name in ("team", "queue", "agent"):
        _none(db, f"SELECT number FROM {name} WHERE number IS NOT NULL GROUP BY number HAVING count(*) > 1")


@pytest.mark.parametrize("name", ["team", "queue", "agent", "agent_state"])
def test_optional_columns_are_filled_and_have_gaps(db: duckdb.DuckDBPyConnection, name: str) -> None:
    never_null = {"number", "is_archived", "family_name", "created_at", "kind"} - (
        {"number"} if name == "agent" else set()
    )
    for column in TABLES[name].columns:
        if column.name not in TABLES[name].must_have:
            counted = f'SELECT count("{column.name}") > 0, count("{column.name}") < count(*) FROM {name}'
            assert db.execute(counted).fetchone() == (True, column.name not in never_null), column.name


def test_names_are_made_of_their_parts(db: duckdb.DuckDBPyConnection) -> None:
    _none(db, "SELECT name FROM agent WHERE name <> concat_ws(' ', given_name, family_name)")


def test_agents_are_there_before_they_work(db: duckdb.DuckDBPyConnection) -> None:
    _none(db, "SELECT name FROM agent JOIN agent_state USING (agent_id) WHERE started_at <= created_at")
    _none(db, "SELECT name FROM agent WHERE last_login_at <= created_at")


def test_agents_are_members_of_their_team_and_of_others(db: duckdb.DuckDBPyConnection) -> None:
    _none(
        db,
        "SELECT agent_id FROM agent WHERE team_id IS NOT NULL "
        "AND (team_id, agent_id) NOT IN (SELECT (team_id, agent_id) FROM team_member)",
    )
    counts = {row[0] for row in db.execute("SELECT count(*) FROM team_member GROUP BY agent_id").fetchall()}
    assert counts == {1, 2, 3}


def test_kinds_of_states_say_what_the_label_says(db: duckdb.DuckDBPyConnection) -> None:
    found = dict(db.execute("SELECT DISTINCT state, kind FROM agent_state").fetchall())
    assert found["Available"] == "available"
    assert found["On A Call"] == found["After Call Work"] == "busy"
    assert found["Away"] == found["Lunch"] == "away"
    assert found["offline"] == "offline"
    _none(db, "SELECT state FROM agent_state GROUP BY state HAVING count(DISTINCT (kind, state_id)) > 1")
    _none(db, "SELECT state FROM agent_state WHERE kind = 'offline' AND is_mobile IS NOT NULL")


def test_smart_views_can_be_read(db: duckdb.DuckDBPyConnection) -> None:
    found = db.execute("SELECT expression FROM smart_view").fetchall()
    assert len(found) == 3
    for (expression,) in found:
        parse(expression)


def test_days_off_include_a_sunday_of_the_days_asked_for(db: duckdb.DuckDBPyConnection) -> None:
    found = {row[0] for row in db.execute("SELECT day FROM holiday").fetchall()}
    assert {"2026-01-01", "2026-12-25", "2026-11-15"} <= found
    assert datetime(2026, 11, 15, tzinfo=UTC).isoweekday() == 7


def test_opening_hours_are_those_that_calls_know(db: duckdb.DuckDBPyConnection) -> None:
    local = "started_at AT TIME ZONE 'Europe/Lisbon'"
    _none(
        db,
        f"SELECT call_id FROM call WHERE is_in_business_hours <> EXISTS (SELECT 1 FROM business_hours "
        f"WHERE weekday = CAST(isodow({local}) AS VARCHAR) AND strftime({local}, '%H:%M') >= opens "
        f"AND strftime({local}, '%H:%M') < closes)",
    )
