"""Sample data of help requests and approvals: they agree with their conversations."""

from __future__ import annotations

import duckdb

from tests.unit.lake.questions import none, some


def test_help_is_requested_of_another_agent_after_the_conversation_begins(db: duckdb.DuckDBPyConnection) -> None:
    none(db, "SELECT help_request_id FROM help_request WHERE agent_id = expert_agent_id")
    none(
        db,
        "SELECT help_request_id FROM help_request JOIN conversation USING (conversation_id) "
        "WHERE requested_at <= created_at",
    )
    answered = "(status = 'ANSWERED')"
    none(db, f"SELECT help_request_id FROM help_request WHERE {answered} <> (answered_at IS NOT NULL)")
    none(db, f"SELECT help_request_id FROM help_request WHERE answer IS NOT NULL AND NOT {answered}")
    some(db, "help_request", *(f"status = '{word}'" for word in ("OPEN", "ANSWERED", "CANCELED")))
    some(db, "help_request", "expert_agent_id IS NULL", "answered_at > requested_at + INTERVAL 12 HOURS")


def test_every_submission_is_a_row_with_the_instant_of_its_action(db: duckdb.DuckDBPyConnection) -> None:
    for instant, kinds, agent in (
        ("submitted_at", ["RESPONSE_SUBMITTED"], "agent_id"),
        ("claimed_at", ["REVIEWER_CLAIMED"], "reviewer_agent_id"),
        ("reviewed_at", ["RESPONSE_ACCEPTED", "RESPONSE_CANCELED"], "reviewer_agent_id"),
    ):
        done = f"SELECT conversation_id, happened_at, agent_id FROM conversation_action WHERE kind IN {tuple(kinds)}"
        recorded = f"SELECT conversation_id, {instant}, {agent} FROM response_approval WHERE {instant} IS NOT NULL"
        none(db, f"({done} EXCEPT ALL {recorded}) UNION ALL ({recorded} EXCEPT ALL {done})".replace(",)", ")"))
    none(db, "SELECT response_approval_id FROM response_approval WHERE (status = 'PENDING') <> (reviewed_at IS NULL)")
    none(db, "SELECT response_approval_id FROM response_approval WHERE agent_id = reviewer_agent_id")
    some(db, "response_approval", *(f"status = '{word}'" for word in ("APPROVED", "REJECTED", "CANCELED")))
    some(db, "response_approval", *(f"status = 'PENDING' AND claimed_at IS {word}" for word in ("NULL", "NOT NULL")))
    some(db, "response_approval", "claimed_at IS NULL", "final_body <> original_body")


def test_an_approved_response_is_the_response_that_is_sent(db: duckdb.DuckDBPyConnection) -> None:
    none(
        db,
        "SELECT r.response_approval_id FROM response_approval AS r JOIN post AS p ON p.post_id = r.response_id "
        "WHERE r.status = 'APPROVED' AND (r.final_body IS DISTINCT FROM p.body OR r.reviewed_at > p.happened_at)",
    )
    twice = "response_id IN (SELECT response_id FROM response_approval GROUP BY 1 HAVING count(*) > 1)"
    some(db, f"response_approval JOIN post ON post_id = response_id AND {twice}", "status = 'APPROVED'")
    some(db, "response_approval", f"{twice} AND status <> 'APPROVED'")
