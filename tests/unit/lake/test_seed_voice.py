"""Sample data about calls: contacts add up to their calls, and ring attempts and custom fields belong to them."""

from __future__ import annotations

import duckdb
import pytest

from tests.unit.lake.questions import every_word, none, some, values_and_gaps

OWN = ("contact", "ring_attempt", "custom_field")


@pytest.mark.parametrize("name", OWN)
def test_optional_columns_are_filled_and_have_gaps(db: duckdb.DuckDBPyConnection, name: str) -> None:
    values_and_gaps(db, name)
    every_word(db, name)


def test_a_call_has_one_contact_and_a_transferred_call_two(db: duckdb.DuckDBPyConnection) -> None:
    db.execute(
        "CREATE TEMP TABLE whole AS SELECT interaction_id, count(*) AS legs, min(started_at) AS begins, "
        "max(ended_at) AS ends, "
        "sum(epoch_us(ended_at) - epoch_us(started_at)) AS lasts, arg_min(agent_id, started_at) AS first_agent, "
        "arg_max(agent_id, started_at) AS last_agent, sum(talk_seconds) AS talked, sum(hold_seconds) AS held, "
        "count_if(is_transferred_out) AS outs, count_if(is_transferred_in) AS ins, "
        "count(DISTINCT coalesce(transfer_out_kind, transfer_in_kind)) AS ways FROM contact GROUP BY interaction_id"
    )
    none(
        db,
        "SELECT * FROM call FULL JOIN whole ON call_id = interaction_id "
        "WHERE call_id IS NULL OR interaction_id IS NULL "
        "OR legs <> 1 + CAST(handling_agent_id IS NOT NULL AS INTEGER) OR begins <> started_at OR ends <> ended_at "
        "OR lasts <> 1000000 * total_seconds OR first_agent IS DISTINCT FROM agent_id "
        "OR legs = 2 AND last_agent <> handling_agent_id OR held <> hold_seconds OR talked > talk_seconds "
        "OR legs = 1 AND talked <> talk_seconds OR outs <> CAST(is_transfer AS INTEGER) OR ins <> legs - 1 OR ways > 1",
    )
    none(
        db,
        "SELECT * FROM contact JOIN whole USING (interaction_id) WHERE is_last <> (ended_at = ends)",
    )


def test_the_parts_of_a_contact_add_up(db: duckdb.DuckDBPyConnection) -> None:
    none(
        db,
        "SELECT *, (epoch_us(ended_at) - epoch_us(started_at)) // 1000000 AS lasts FROM contact "
        "WHERE hold_seconds <> hard_hold_seconds + soft_hold_seconds "
        "OR handle_seconds <> talk_seconds + hold_seconds + coalesce(after_call_seconds, 0) "
        "OR coalesce(ringing_seconds > coalesce(wait_seconds, connect_seconds), false) "
        "OR lasts <> coalesce(wait_seconds, connect_seconds, lasts) + coalesce(talk_seconds + hold_seconds, 0)",
    )
    none(
        db,
        "SELECT * FROM contact WHERE (kind = 'answered') <> (answered_at IS NOT NULL) "
        "OR (kind = 'connected') <> (connected_at IS NOT NULL) OR (kind = 'missed') <> (missed_seconds IS NOT NULL) "
        "OR (kind = 'voicemail') <> (voicemail_seconds IS NOT NULL) OR is_in_service_level AND NOT is_within_threshold "
        "OR (direction = 'outbound') <> (kind IN ('connected', 'not_connected')) "
        "OR is_transferred_out <> (transfer_out_kind IS NOT NULL) "
        "OR is_transferred_in <> (transfer_in_kind IS NOT NULL)",
    )
    none(
        db,
        "SELECT * FROM contact WHERE len(handling_queue_ids) > 0 AND NOT list_has_all(queue_ids, handling_queue_ids) "
        "OR len(direct_agent_ids) > 0 AND (len(queue_ids) > 0 OR NOT list_contains(direct_agent_ids, agent_id))",
    )


@pytest.mark.parametrize("name", ["contact", "ring_attempt"])
def test_an_agents_team_is_the_one_of_the_time(db: duckdb.DuckDBPyConnection, name: str) -> None:
    none(
        db,
        f"SELECT fact.agent_id FROM {name} AS fact JOIN agent_state AS s ON s.agent_id = fact.agent_id "
        "AND fact.started_at >= s.started_at AND (s.ended_at IS NULL OR fact.started_at < s.ended_at) "
        "WHERE fact.team_id IS DISTINCT FROM s.team_id",
    )


@pytest.mark.parametrize("name", OWN)
def test_a_fact_is_stored_in_the_month_of_its_end(db: duckdb.DuckDBPyConnection, name: str) -> None:
    none(db, f"SELECT * FROM {name} WHERE month <> strftime(ended_at, '%Y-%m')")


def test_phones_ring_within_their_contact_and_one_at_most_is_answered(db: duckdb.DuckDBPyConnection) -> None:
    none(
        db,
        "SELECT * FROM ring_attempt AS r LEFT JOIN contact AS c USING (contact_id) WHERE c.contact_id IS NULL "
        "OR r.interaction_id <> c.interaction_id OR r.queue_ids IS DISTINCT FROM c.queue_ids "
        "OR r.started_at < c.started_at OR r.ended_at > coalesce(c.answered_at, c.connected_at, c.ended_at) "
        "OR outcome = 'answered' AND (kind NOT IN ('answered', 'connected') OR r.agent_id <> c.agent_id "
        "OR r.ended_at <> coalesce(c.answered_at, c.connected_at) "
        "OR epoch_us(r.ended_at) - epoch_us(r.started_at) <> 1000000 * ringing_seconds)",
    )
    none(db, "SELECT batch_id FROM ring_attempt GROUP BY 1 HAVING count_if(outcome = 'answered') > 1")
    none(db, "SELECT batch_id, agent_id FROM ring_attempt WHERE agent_id IS NOT NULL GROUP BY ALL HAVING count(*) > 1")
    some(db, "(SELECT batch_id FROM ring_attempt GROUP BY 1 HAVING count(*) > 1)", "true")
    none(db, "SELECT * FROM ring_attempt WHERE NOT regexp_full_match(ring_attempt_id, '[0-9a-f]{40}')")


def test_custom_fields_belong_to_finished_messaging_interactions(db: duckdb.DuckDBPyConnection) -> None:
    db.execute(
        "CREATE TEMP TABLE interaction AS SELECT interaction_id, any_value(channel) AS channel, "
        "min(started_at) AS begins, max(finished_at) AS ends, count(finished_at) = count(*) AS over, "
        "list(contact_id) AS contacts FROM messaging_contact GROUP BY interaction_id"
    )
    none(
        db,
        "SELECT * FROM custom_field AS field LEFT JOIN interaction AS whole USING (interaction_id) "
        "WHERE NOT coalesce(over, false) OR field.channel <> whole.channel OR started_at <> begins OR ended_at <> ends "
        "OR NOT list_contains(contacts, contact_id) OR updated_at < ended_at",
    )
    some(db, "custom_field", "coalesce(text_custom_1, text_custom_2, text_custom_3) IS NULL")
