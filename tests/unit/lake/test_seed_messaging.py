"""Sample data of messaging: contacts of an interaction are consecutive, and messages lie within their contact."""

from __future__ import annotations

import duckdb
import pytest

from tests.unit.lake.questions import every_word, none, some, values_and_gaps

OWN = ("virtual_agent", "messaging_contact", "messaging_traffic")


@pytest.mark.parametrize("name", OWN)
def test_optional_columns_are_filled_and_have_gaps(db: duckdb.DuckDBPyConnection, name: str) -> None:
    values_and_gaps(db, name)
    every_word(db, name)


def test_contacts_of_an_interaction_follow_each_other(db: duckdb.DuckDBPyConnection) -> None:
    following = (
        "SELECT *, lead(started_at) OVER (PARTITION BY interaction_id ORDER BY started_at) AS next_at "
        "FROM messaging_contact"
    )
    none(
        db, f"SELECT * FROM ({following}) WHERE next_at IS NOT NULL AND (finished_at > next_at OR NOT is_transfer_out)"
    )
    none(db, "SELECT * FROM messaging_contact WHERE agent_id IS NOT NULL AND virtual_agent_id IS NOT NULL")
    none(db, "SELECT * FROM messaging_contact WHERE assigned_at < started_at OR assigned_at > finished_at")
    none(
        db,
        "SELECT * FROM messaging_contact WHERE handle_seconds > "
        "(epoch_us(finished_at) - epoch_us(started_at)) // 1000000 + coalesce(wrap_up_seconds, 0)",
    )
    some(db, f"({following})", "next_at IS NOT NULL")
    some(db, "messaging_contact", "finished_at IS NULL")


def test_messages_lie_within_their_contact(db: duckdb.DuckDBPyConnection) -> None:
    joined = "messaging_traffic AS message LEFT JOIN messaging_contact AS contact USING (contact_id)"
    none(db, f"SELECT * FROM {joined} WHERE started_at IS NULL OR created_at < started_at OR created_at >= finished_at")
    none(db, f"SELECT * FROM {joined} WHERE message.agent_id <> contact.agent_id")
    none(db, "SELECT * FROM messaging_traffic WHERE agent_id IS NOT NULL AND direction = 'inbound'")
