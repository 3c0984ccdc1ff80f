"""Sample data of conversations: posts, actions and tags of each are consistent."""

from __future__ import annotations

import duckdb
import pytest

from tests.fixtures.sample import PLAN
from tests.unit.lake.questions import none, some, values_and_gaps

OWN = ("author", "customer", "inbox", "tag", "conversation", "conversation_tag", "conversation_action", "post")
ALWAYS = {"conversation": ("network",), "post": ("form",)}  # nullable, but never null in the sample data


@pytest.fixture(autouse=True)
def life(db: duckdb.DuckDBPyConnection) -> None:
    """A table of conversations with their first posts and their last actions."""
    db.execute(
        "CREATE TEMP TABLE life AS SELECT * FROM conversation JOIN ("
        "SELECT conversation_id, min(happened_at) AS first_post, arg_min(kind, happened_at) AS first_kind "
        "FROM post GROUP BY 1) USING (conversation_id) LEFT JOIN (SELECT conversation_id, "
        "max(happened_at) FILTER (kind = 'CLOSED') AS closed, "
        "max(happened_at) FILTER (kind = 'REOPENED') AS reopened, "
        "count(*) FILTER (kind = 'CLOSED') AS closes, count(*) FILTER (kind = 'REOPENED') AS reopens "
        "FROM conversation_action GROUP BY 1) USING (conversation_id)"
    )


def test_there_is_a_conversation_for_every_fifth_call(db: duckdb.DuckDBPyConnection) -> None:
    assert db.execute("SELECT count(*) FROM conversation").fetchone() == (PLAN.calls // 5,)
    some(db, "conversation", *(f"status = '{word}'" for word in ("open", "pending", "snoozed", "closed")))
    some(db, "conversation", *(f"network = '{word}'" for word in ("facebook", "twitter", "instagram", "email", "chat")))
    some(db, "conversation", *(f"priority = {number}" for number in range(6)), "priority IS NULL")
    some(db, "conversation JOIN inbox USING (inbox_id)", "is_shared", "NOT is_shared")
    for name in OWN:
        values_and_gaps(db, name, never_null=ALWAYS.get(name, ()))


def test_a_conversation_begins_with_its_first_post(db: duckdb.DuckDBPyConnection) -> None:
    none(db, "SELECT * FROM life WHERE created_at <> first_post")
    none(db, "SELECT * FROM life WHERE first_kind <> if(direction = 'inbound', 'incoming', 'response')")
    none(
        db,
        "SELECT a.* FROM conversation_action AS a JOIN conversation AS c USING (conversation_id) "
        "WHERE a.happened_at < c.created_at",
    )
    latest = "SELECT * FROM {} WHERE happened_at >= $end"
    for table in ("post", "conversation_action"):
        assert db.execute(latest.format(table), {"end": PLAN.end}).fetchall() == []


def test_the_status_matches_the_last_action(db: duckdb.DuckDBPyConnection) -> None:
    none(db, "SELECT * FROM life WHERE (status = 'closed') <> coalesce(closed > coalesce(reopened, created_at), false)")
    none(db, "SELECT * FROM life WHERE reopens > closes OR closes > reopens + 1")
    none(db, "SELECT * FROM life WHERE (status = 'snoozed') <> (snoozed_until_at IS NOT NULL)")
    some(db, "life", "reopens = 1 AND status = 'closed'", "reopens = 2", "reopens > 0 AND status = 'open'")
    none(
        db,
        "SELECT c.* FROM conversation AS c JOIN (SELECT conversation_id, arg_max(kind, happened_at) AS kind, "
        "arg_max(coalesce(new_value, ''), happened_at) AS given FROM conversation_action "
        "WHERE kind IN ('CLAIMED', 'ASSIGNED', 'UNCLAIMED', 'UNASSIGNED') GROUP BY 1) AS last USING (conversation_id) "
        "WHERE CASE WHEN last.kind LIKE 'UN%' THEN c.assigned_agent_id IS NOT NULL "
        "ELSE last.given IS DISTINCT FROM coalesce(c.assigned_agent_id, c.assigned_team_id) END",
    )


def test_responses_are_acts_of_their_agents(db: duckdb.DuckDBPyConnection) -> None:
    acts = "post AS p FULL JOIN conversation_action AS a ON a.post_id = p.post_id AND a.kind = 'RESPONDED'"
    same = (
        "p.conversation_id IS DISTINCT FROM a.conversation_id OR p.happened_at <> a.happened_at "
        "OR p.agent_id IS DISTINCT FROM a.agent_id OR p.team_id IS DISTINCT FROM a.team_id"
    )
    none(db, f"SELECT * FROM {acts} WHERE (p.kind = 'response' OR a.kind = 'RESPONDED') AND ({same})")
    none(
        db,
        "SELECT p.* FROM post AS p JOIN post AS before ON before.post_id = p.in_reply_to_post_id "
        "WHERE p.kind <> 'response' OR before.kind <> 'incoming' OR before.happened_at >= p.happened_at "
        "OR before.conversation_id <> p.conversation_id",
    )
    none(db, "SELECT * FROM conversation_action WHERE (actor = 'AGENT') <> (agent_id IS NOT NULL)")
    some(db, "post", "kind = 'comment'", "kind = 'response' AND agent_id IS NULL", "delivery = 'failed'")


def test_an_author_writes_on_one_network(db: duckdb.DuckDBPyConnection) -> None:
    none(
        db,
        "SELECT * FROM conversation AS c JOIN author AS a USING (author_id) WHERE a.network <> c.network "
        "OR a.network_instance IS DISTINCT FROM c.network_instance",
    )
    none(
        db,
        "SELECT * FROM post AS p JOIN conversation AS c USING (conversation_id) WHERE p.kind = 'incoming' "
        "AND p.author_id <> c.author_id",
    )


def test_tags_match_the_actions_that_attach_them(db: duckdb.DuckDBPyConnection) -> None:
    for column, kind in (("attached_at", "TAGS_ATTACHED"), ("detached_at", "TAGS_DETACHED")):
        none(
            db,
            f"SELECT t.* FROM conversation_tag AS t ANTI JOIN conversation_action AS a "
            f"ON a.conversation_id = t.conversation_id AND a.happened_at = t.{column} AND a.kind = '{kind}' "
            f"WHERE t.{column} IS NOT NULL",
        )
    none(
        db,
        "SELECT tag_id FROM conversation_tag WHERE detached_at IS NULL "
        "GROUP BY conversation_id, tag_id HAVING count(*) > 1",
    )
    some(db, "conversation_tag", "detached_at IS NOT NULL")
