"""Sample data about quality and planning: evaluations add up and belong to calls, adherence to stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import duckdb
import pytest

from offtake.lake.delta import Lake
from offtake.lake.seed import SeedPlan, seed
from tests.unit.lake.stored import TABLES, seen

PLAN = SeedPlan(tenant="acme", until=date(2026, 11, 20), calls=1500, days=10)
READ = ("team", "queue", "agent", "agent_state", "call", "evaluation", "adherence_event", "workforce_interval")


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The typed rows of the tables about quality and planning, and of what they refer to."""
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
    assert db.execute(f"SELECT COLUMNS(*)::VARCHAR FROM ({sql})").fetchmany(3) == []


@pytest.mark.parametrize("name", ["evaluation", "adherence_event", "workforce_interval"])
def test_optional_columns_are_filled_and_have_gaps(db: duckdb.DuckDBPyConnection, name: str) -> None:
    for column in TABLES[name].columns:
        if column.name not in TABLES[name].must_have:
            counted = f'SELECT count("{column.name}") > 0, count("{column.name}") < count(*) FROM {name}'
            assert db.execute(counted).fetchone() == (True, True), column.name


def test_scores_of_evaluations_add_up(db: duckdb.DuckDBPyConnection) -> None:
    db.execute(
        "CREATE TABLE section AS SELECT evaluation_id, version, section_id, sum(question_obtained_score) AS total, "
        "any_value(section_obtained_score) AS said, any_value(section_max_score) AS best, "
        "any_value(obtained_score) AS whole FROM evaluation GROUP BY ALL"
    )
    _none(db, "SELECT * FROM section WHERE total <> said OR said > best")
    _none(db, "SELECT evaluation_id FROM section GROUP BY evaluation_id, version HAVING sum(said) <> any_value(whole)")
    _none(
        db, "SELECT * FROM evaluation WHERE obtained_score > max_score OR question_obtained_score > question_max_score"
    )


def test_evaluations_follow_their_calls_and_edits_their_evaluations(db: duckdb.DuckDBPyConnection) -> None:
    _none(
        db,
        "SELECT evaluation.* FROM evaluation LEFT JOIN call ON call.call_id = interaction_id "
        "WHERE call_id IS NULL OR evaluated_at <= ended_at OR evaluation.agent_id <> call.agent_id "
        "OR evaluation.team_id IS DISTINCT FROM call.team_id OR evaluation.queue_ids IS DISTINCT FROM call.queue_ids",
    )
    _none(
        db,
        "SELECT * FROM evaluation AS edit WHERE version > 0 AND NOT EXISTS (SELECT 1 FROM evaluation AS old "
        "WHERE old.evaluation_id = edit.evaluation_id AND old.version = 0 AND old.evaluated_at < edit.evaluated_at "
        "AND old.evaluated_at = coalesce(edit.first_evaluated_at, old.evaluated_at))",
    )
    _none(db, "SELECT * FROM evaluation WHERE (evaluator_agent_id IS NULL) <> (is_automatic AND version = 0)")
    _none(db, "SELECT * FROM evaluation WHERE evaluator_agent_id = agent_id")
    dropped = (
        "SELECT count(*) > 0 FROM evaluation AS old WHERE version = 0 "
        "AND EXISTS (SELECT 1 FROM evaluation AS edit WHERE edit.evaluation_id = old.evaluation_id AND version = 1) "
        "AND NOT EXISTS (SELECT 1 FROM evaluation AS edit WHERE edit.evaluation_id = old.evaluation_id "
        "AND version = 1 AND edit.question_id = old.question_id)"
    )
    assert db.execute(dropped).fetchone() == (True,)
    last = db.execute("SELECT max(evaluated_at)::VARCHAR FROM evaluation").fetchone()
    assert last is not None
    assert datetime.fromisoformat(last[0]).astimezone(UTC) < PLAN.end


def test_adherence_measures_the_stays_in_states(db: duckdb.DuckDBPyConnection) -> None:
    _none(
        db,
        "SELECT event.* FROM adherence_event AS event LEFT JOIN agent_state AS stay USING (agent_id, started_at) "
        "WHERE stay.kind IS NULL OR stay.kind = 'offline' OR event.ended_at IS DISTINCT FROM stay.ended_at "
        "OR event.team_id IS DISTINCT FROM stay.team_id OR event.actual_state <> stay.state",
    )
    _none(db, "SELECT * FROM adherence_event WHERE shift_started_at > started_at")
    _none(
        db,
        "SELECT * FROM adherence_event WHERE (shift_status = 'On Shift') <> (shift_started_at IS NOT NULL) "
        "OR (scheduled_event_name IS NULL) <> (shift_started_at IS NULL) OR (is_aligned AND shift_started_at IS NULL)",
    )
    for some in (
        "is_aligned AND actual_state = 'Lunch'",
        "NOT is_aligned AND actual_state = 'Lunch'",
        "NOT is_aligned AND is_paid",
        "date_trunc('day', shift_started_at) < date_trunc('day', started_at)",
    ):
        assert db.execute(f"SELECT count(*) > 0 FROM adherence_event WHERE {some}").fetchone() == (True,), some


def test_intervals_count_the_calls(db: duckdb.DuckDBPyConnection) -> None:
    db.execute(
        "CREATE TABLE counted AS SELECT queue_ids[1] AS queue_id, "
        "time_bucket(INTERVAL 15 MINUTES, started_at) AS started_at, count(*) AS offered, "
        "count_if(kind = 'inbound') AS handled, sum(talk_seconds + hold_seconds) AS seconds, "
        "count_if(abandon_seconds > 0) AS abandoned FROM call WHERE len(queue_ids) > 0 GROUP BY ALL"
    )
    _none(
        db,
        "SELECT plan.*, counted.* FROM counted FULL JOIN (FROM workforce_interval WHERE channel = 'voice') AS plan "
        "USING (queue_id, started_at) WHERE coalesce(offered, 0) IS DISTINCT FROM offered_contacts "
        "OR coalesce(handled, 0) IS DISTINCT FROM handled_contacts "
        "OR coalesce(seconds, 0) IS DISTINCT FROM handle_seconds "
        "OR coalesce(abandoned, 0) IS DISTINCT FROM abandoned_contacts",
    )
    _none(db, "SELECT * FROM workforce_interval WHERE answered_in_time_contacts > handled_contacts")
    _none(db, "SELECT * FROM workforce_interval WHERE epoch_us(started_at) % 900000000 <> 0 OR interval_seconds <> 900")
    for some in (
        "offered_contacts = 0 AND forecast_contacts > 0",
        "offered_contacts > 0 AND handled_contacts = 0",
        "offered_contacts > 0 AND forecast_contacts IS NULL",
        "channel = 'email'",
    ):
        assert db.execute(f"SELECT count(*) > 0 FROM workforce_interval WHERE {some}").fetchone() == (True,), some
