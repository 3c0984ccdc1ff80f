"""Sample data about quality and planning: scores add up, evaluations belong to calls, adherence events to states."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest

from tests.fixtures.sample import PLAN
from tests.unit.lake.questions import none, some, values_and_gaps


@pytest.mark.parametrize("name", ["evaluation", "adherence_event", "workforce_interval"])
def test_optional_columns_are_filled_and_have_gaps(db: duckdb.DuckDBPyConnection, name: str) -> None:
    values_and_gaps(db, name)


def test_scores_of_evaluations_add_up(db: duckdb.DuckDBPyConnection) -> None:
    db.execute(
        "CREATE TEMP TABLE section AS SELECT evaluation_id, version, section_id, "
        "sum(question_obtained_score) AS total, any_value(section_obtained_score) AS said, "
        "any_value(section_max_score) AS best, any_value(obtained_score) AS whole FROM evaluation GROUP BY ALL"
    )
    none(db, "SELECT * FROM section WHERE total <> said OR said > best")
    none(db, "SELECT evaluation_id FROM section GROUP BY evaluation_id, version HAVING sum(said) <> any_value(whole)")
    none(
        db, "SELECT * FROM evaluation WHERE obtained_score > max_score OR question_obtained_score > question_max_score"
    )


def test_evaluations_follow_their_calls_and_edits_their_evaluations(db: duckdb.DuckDBPyConnection) -> None:
    none(
        db,
        "SELECT evaluation.* FROM evaluation LEFT JOIN call ON call.call_id = interaction_id "
        "WHERE call_id IS NULL OR evaluated_at <= ended_at OR evaluation.agent_id <> call.agent_id "
        "OR evaluation.team_id IS DISTINCT FROM call.team_id OR evaluation.queue_ids IS DISTINCT FROM call.queue_ids",
    )
    none(
        db,
        "SELECT * FROM evaluation AS edit WHERE version > 0 AND NOT EXISTS (SELECT 1 FROM evaluation AS old "
        "WHERE old.evaluation_id = edit.evaluation_id AND old.version = 0 AND old.evaluated_at < edit.evaluated_at "
        "AND old.evaluated_at = coalesce(edit.first_evaluated_at, old.evaluated_at))",
    )
    none(db, "SELECT * FROM evaluation WHERE (evaluator_agent_id IS NULL) <> (is_automatic AND version = 0)")
    none(db, "SELECT * FROM evaluation WHERE evaluator_agent_id = agent_id")
    some(
        db,
        "evaluation AS old",
        "version = 0 "
        "AND EXISTS (SELECT 1 FROM evaluation AS edit WHERE edit.evaluation_id = old.evaluation_id AND version = 1) "
        "AND NOT EXISTS (SELECT 1 FROM evaluation AS edit WHERE edit.evaluation_id = old.evaluation_id "
        "AND version = 1 AND edit.question_id = old.question_id)",
    )
    last = db.execute("SELECT max(evaluated_at)::VARCHAR FROM evaluation").fetchone()
    assert last is not None
    assert datetime.fromisoformat(last[0]).astimezone(UTC) < PLAN.end


def test_adherence_events_match_the_stays_in_states(db: duckdb.DuckDBPyConnection) -> None:
    none(
        db,
        "SELECT event.* FROM adherence_event AS event LEFT JOIN agent_state AS stay USING (agent_id, started_at) "
        "WHERE stay.kind IS NULL OR stay.kind = 'offline' OR event.ended_at IS DISTINCT FROM stay.ended_at "
        "OR event.team_id IS DISTINCT FROM stay.team_id OR event.actual_state <> stay.state",
    )
    none(db, "SELECT * FROM adherence_event WHERE shift_started_at > started_at")
    none(
        db,
        "SELECT * FROM adherence_event WHERE (shift_status = 'On Shift') <> (shift_started_at IS NOT NULL) "
        "OR (scheduled_event_name IS NULL) <> (shift_started_at IS NULL) OR (is_aligned AND shift_started_at IS NULL)",
    )
    some(
        db,
        "adherence_event",
        "is_aligned AND actual_state = 'Lunch'",
        "NOT is_aligned AND actual_state = 'Lunch'",
        "NOT is_aligned AND is_paid",
        "date_trunc('day', shift_started_at) < date_trunc('day', started_at)",
    )


def test_intervals_count_the_calls(db: duckdb.DuckDBPyConnection) -> None:
    db.execute(
        "CREATE TEMP TABLE counted AS SELECT queue_ids[1] AS queue_id, "
        "time_bucket(INTERVAL 15 MINUTES, started_at) AS started_at, count(*) AS offered, "
        "count_if(kind = 'inbound') AS handled, sum(talk_seconds + hold_seconds) AS seconds, "
        "count_if(abandon_seconds > 0) AS abandoned FROM call WHERE len(queue_ids) > 0 GROUP BY ALL"
    )
    none(
        db,
        "SELECT plan.*, counted.* FROM counted FULL JOIN (FROM workforce_interval WHERE channel = 'voice') AS plan "
        "USING (queue_id, started_at) WHERE coalesce(offered, 0) IS DISTINCT FROM offered_contacts "
        "OR coalesce(handled, 0) IS DISTINCT FROM handled_contacts "
        "OR coalesce(seconds, 0) IS DISTINCT FROM handle_seconds "
        "OR coalesce(abandoned, 0) IS DISTINCT FROM abandoned_contacts",
    )
    none(db, "SELECT * FROM workforce_interval WHERE answered_in_time_contacts > handled_contacts")
    none(db, "SELECT * FROM workforce_interval WHERE epoch_us(started_at) % 900000000 <> 0 OR interval_seconds <> 900")
    some(
        db,
        "workforce_interval",
        "offered_contacts = 0 AND forecast_contacts > 0",
        "offered_contacts > 0 AND handled_contacts = 0",
        "offered_contacts > 0 AND forecast_contacts IS NULL",
        "channel = 'email'",
    )
