"""Data and filters for the reports about agents: strategies of conversations with work on them, and of requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from offtake.model.request import BusinessHours
from offtake.model.timespan import Timespan
from tests.strategies import TICK, Care, Row, Scenario, instants, zone

Chosen = tuple[str, ...] | None


def chosen_teams(care: Care) -> SearchStrategy[Chosen]:
    """Some numbers and ids of teams, known and unknown, with and without members."""
    return _chosen([*_shown(care, "team"), *(row["team_id"] for row in care.rows["team_member"])])


def chosen_agents(care: Care) -> SearchStrategy[Chosen]:
    """Some numbers and ids of agents, known and unknown."""
    return _chosen(_shown(care, "agent"))


@st.composite
def tenants_with_work(draw: DrawFn, scenario: Scenario) -> tuple[Care, ...]:
    """The tenants of a scenario with posts, actions, smart views and business hours."""
    return tuple(draw(_with_work(care, scenario.timespans)) for care in scenario.tenants)


@st.composite
def _with_work(draw: DrawFn, care: Care, timespans: Sequence[Timespan]) -> Care:
    bounds = [bound for span in timespans for bound in (span.start, span.end)]
    at = instants([*bounds, *(row["created_at"] for row in care.rows["conversation"])])
    about = {
        "conversation_id": st.sampled_from(["none", *(row["conversation_id"] for row in care.rows["conversation"])]),
        "happened_at": at | st.sampled_from([bound - TICK for bound in bounds]),
        "agent_id": st.sampled_from([None, "stranger", *(row["agent_id"] for row in care.rows["agent"])]),
    }
    ids = [f"p{number}" for number in range(8)]
    post = about | {
        "kind": st.sampled_from(["response", "response", "incoming", "comment"]),
        "in_reply_to_post_id": st.sampled_from([None, *ids]),
        "delivery": st.sampled_from([None, "sent", "failed"]),
    }
    kinds = ["CLAIMED", "CLOSED", "REOPENED", "NOTE_ADDED", "ASSIGNED"]
    action = about | {"kind": st.sampled_from(kinds), "actor": st.just("AGENT")}
    view = {
        "expression": st.sampled_from(['status = "open"', 'direction = "inbound"', "priority >= 1"]),
        "business_hours": st.sampled_from([None, None, "inside", "outside"]),
        "name": st.just("View"),
    }
    opening = {
        "weekday": st.sampled_from("1234567"),
        "opens": st.sampled_from(("00:00", "08:30")),
        "closes": st.sampled_from(("08:30", "17:45", "24:00")),
    }
    holidays = {bound.astimezone(zone(care.zone)).date().isoformat() for bound in bounds}
    drawn = {
        "post": draw(st.lists(st.fixed_dictionaries(post), max_size=8).map(_numbered("post_id", "p"))),
        "conversation_action": draw(
            st.lists(st.fixed_dictionaries(action), max_size=8).map(_numbered("action_id", "a"))
        ),
        "smart_view": draw(st.lists(st.fixed_dictionaries(view), max_size=2).map(_numbered("smart_view_id", "v"))),
        "business_hours": draw(
            st.lists(st.fixed_dictionaries(opening), max_size=5, unique_by=lambda row: (row["weekday"], row["opens"]))
        ),
        "holiday": [{"day": day} for day in draw(st.sets(st.sampled_from(sorted(holidays)), max_size=1))],
    }
    return replace(care, rows={**care.rows, **{name: tuple(rows) for name, rows in drawn.items()}})


def agent_parameters(care: Care) -> SearchStrategy[dict[str, Any]]:
    """Filters about conversations and agents, most of them off."""
    queues = _shown(care, "queue")
    priorities = [str(row["priority"]) for row in care.rows["conversation"] if row["priority"] is not None]
    return st.fixed_dictionaries(
        {
            "priorities": st.none() | _chosen(priorities),
            "queue_ids": st.none() | _chosen(queues),
            "smart_view_id": st.sampled_from([None, None, "v0", "v1"]),
            "business_hours": st.sampled_from([None, None, BusinessHours.INSIDE, BusinessHours.OUTSIDE]),
            "include_disabled": st.booleans(),
            "team_ids": st.none() | chosen_teams(care),
        }
    )


def _numbered(key: str, letter: str) -> Callable[[list[Row]], list[Row]]:
    return lambda rows: [{key: f"{letter}{number}", **row} for number, row in enumerate(rows)]


def _shown(care: Care, table: str) -> list[str]:
    return [str(row[name]) for row in care.rows[table] for name in ("number", f"{table}_id") if row[name] is not None]


def _chosen(known: Sequence[str]) -> SearchStrategy[Chosen]:
    return st.none() | st.lists(st.sampled_from([*known, "unknown"]), max_size=3).map(tuple)
