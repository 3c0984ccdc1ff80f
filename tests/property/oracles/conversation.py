"""Oracle of `conversation`: Khoros contract 3.0, 3.1 and 5. It replays each conversation in order of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from offtake.model.request import ReportParameters, Selection
from offtake.model.timespan import Timespan
from tests.property.oracles.conversation_filters import (
    conversation_parameters,
    fits_the_hours,
    is_about,
    is_open,
    with_accounts,
)
from tests.property.oracles.elapsed import seconds_never_negative
from tests.property.oracles.file_checks import khoros_entries
from tests.property.oracles.khoros_values import duration, duration_of_milliseconds, english_time, flag, listed, text
from tests.property.oracles.lookups import find, shown_id
from tests.property.oracles.report_oracle import ExportCase, ReportOracle
from tests.property.oracles.shapes import Shape
from tests.strategies import Care, Row, Scenario


def conversations(case: ExportCase) -> list[Row]:
    """One row per conversation that the selection and the filters keep."""
    care, timespan, wanted = case.care, case.timespan, case.parameters
    rows = []
    for conversation in care.rows["conversation"]:
        created_at, turns = conversation["created_at"], _turns(care, conversation)
        later = [turn for turn in turns if turn["happened_at"] >= timespan.end]
        turns = [turn for turn in turns if turn["happened_at"] < timespan.end]
        chosen = {
            Selection.OPEN_AT_END: created_at < timespan.end and _is_open(conversation, turns, later),
            Selection.CLOSED: any(turn["kind"] == "CLOSED" and turn["happened_at"] >= timespan.start for turn in turns),
            Selection.CREATED: timespan.start <= created_at < timespan.end,
        }[wanted.selection]
        if chosen and is_about(care, wanted, conversation) and fits_the_hours(care, wanted, created_at):
            rows.append(_row(care, conversation, turns, timespan.end))
    return rows


def _is_open(conversation: Row, before: list[Row], after: list[Row]) -> bool:
    """Whether a conversation is open between these turns; without any, whether it is open now."""
    if before:
        return bool(before[-1]["kind"] == "REOPENED")
    return bool(after[0]["kind"] == "CLOSED" if after else conversation["status"] != "closed")


def _turns(care: Care, conversation: Row) -> list[Row]:
    """Closings and reopenings in order of time; at one instant closings come first, by the agents' ids.

    Those without an agent precede those of an agent, whose id may be empty.
    """

    def order(action: Row) -> tuple[datetime, bool, bool, str]:
        agent_id = action["agent_id"]
        return action["happened_at"], action["kind"] == "REOPENED", agent_id is not None, agent_id or ""

    own = [row for row in care.rows["conversation_action"] if row["conversation_id"] == conversation["conversation_id"]]
    return sorted((action for action in own if action["kind"] in ("CLOSED", "REOPENED")), key=order)


def _row(care: Care, conversation: Row, turns: list[Row], end: datetime) -> Row:
    posts = _history(care, "post", conversation, end)
    received = [post for post in posts if post["kind"] == "incoming"]
    sent = sorted(post["happened_at"] for post in posts if post["kind"] == "response" and post["delivery"] != "failed")
    noted = [each for each in _history(care, "conversation_action", conversation, end) if each["kind"] == "NOTE_ADDED"]
    closings = [turn for turn in turns if turn["kind"] == "CLOSED"]
    reopenings = [turn for turn in turns if turn["kind"] == "REOPENED"]
    assigned = find(care, "agent", conversation["assigned_agent_id"])
    closer_id = closings[-1]["agent_id"] if closings else None
    queue = find(care, "queue", conversation["queue_id"])
    author = find(care, "author", conversation["author_id"])
    created_at = conversation["created_at"]
    passed_on = (
        *("conversation_id", "url", "priority", "network", "network_instance", "author_id", "created_at"),
        *("response_timer_started_at", "due_at", "snoozed_until_at", "disposition", "custom_disposition"),
        *("handle_milliseconds", "is_private"),
    )
    return {name: conversation[name] for name in passed_on} | {
        "status": conversation["status"].upper(),
        "conversation_number": conversation["number"],
        "assigned_agent_id": shown_id(care, "agent", conversation["assigned_agent_id"]),
        "assigned_agent_name": assigned.get("name"),
        "assigned_agent_email": assigned.get("email"),
        "assigned_team_name": find(care, "team", conversation["assigned_team_id"]).get("name"),
        "queue_id": shown_id(care, "queue", conversation["queue_id"]),
        "queue_name": queue.get("name"),
        "tag_names": _tags(care, conversation, end),
        "author_name": author.get("name"),
        "author_screen_name": author.get("screen_name"),
        "first_response_at": sent[0] if sent else None,
        "last_response_at": sent[-1] if sent else None,
        "closed_at": closings[-1]["happened_at"] if closings else None,
        "reopened_at": reopenings[-1]["happened_at"] if reopenings else None,
        "closed_by_agent_id": shown_id(care, "agent", closer_id),
        "closed_by_agent_name": find(care, "agent", closer_id).get("name"),
        "incoming_posts": len(received),
        "responses": len(sent),
        "notes": len(noted),
        "reopenings": len(reopenings),
        "time_to_first_response_seconds": (
            seconds_never_negative(created_at, sent[0]) if sent and conversation["direction"] == "inbound" else None
        ),
        "time_to_close_seconds": seconds_never_negative(created_at, closings[-1]["happened_at"]) if closings else None,
        "is_attention_needed": conversation["needs_attention"],
        "is_created_in_business_hours": is_open(care, created_at),
    }


def _history(care: Care, table: str, conversation: Row, end: datetime) -> list[Row]:
    """The rows of a table about the conversation before the end."""
    own = conversation["conversation_id"]
    return [row for row in care.rows[table] if row["conversation_id"] == own and row["happened_at"] < end]


def _tags(care: Care, conversation: Row, end: datetime) -> list[str] | None:
    """Each tag that was on at the end once; a tag without a name goes by its id."""
    on = {
        row["tag_id"]
        for row in care.rows["conversation_tag"]
        if row["conversation_id"] == conversation["conversation_id"]
        if row["attached_at"] < end and not (row["detached_at"] and row["detached_at"] < end)
    }
    return sorted(find(care, "tag", tag).get("name", tag) for tag in on) or None


_TURNS = ("CLOSED", "REOPENED", "CLOSED", "REOPENED", "NOTE_ADDED", None)  # None: the kind as drawn


@st.composite
def eventful_tenants(draw: DrawFn, scenario: Scenario) -> tuple[Care, ...]:
    """Tenants whose actions are often of the three kinds, and deliveries of the one, that matter to the report."""
    cares = draw(with_accounts(scenario.tenants))
    kinds = draw(st.lists(st.sampled_from(_TURNS), min_size=6, max_size=6))
    return tuple(replace(care, rows={**care.rows, **_eventful(care.rows, kinds)}) for care in cares)


def _eventful(rows: Mapping[str, tuple[Row, ...]], kinds: list[str | None]) -> dict[str, tuple[Row, ...]]:
    actions = rows["conversation_action"]
    posts = rows["post"]
    return {
        "conversation_action": tuple(
            {**row, "kind": kinds[n % len(kinds)] or row["kind"]} for n, row in enumerate(actions)
        ),
        "post": tuple({**row, "delivery": "failed" if n % 4 == 1 else row["delivery"]} for n, row in enumerate(posts)),
    }


def every_selection(care: Care, timespan: Timespan) -> SearchStrategy[Sequence[ReportParameters]]:
    """The same filters with each selection of conversations."""
    return conversation_parameters(care).map(
        lambda filters: [replace(filters, selection=selection) for selection in Selection]
    )


CONVERSATION: Shape = (
    ("CONVERSATION_ID", "conversation_id", text),
    ("STATUS", "status", text),
    ("ASSIGNED_AGENT_DISPLAY_ID", "assigned_agent_id", text),
    ("CONVERSATION_DISPLAY_ID", "conversation_number", text),
    ("CONVERSATION_LINK", "url", text),
    ("PRIORITY", "priority", text),
    ("WORK_QUEUE_ID", "queue_id", text),
    ("WORK_QUEUE_NAME", "queue_name", text),
    ("CONVERSATION_TAGS", "tag_names", listed),
    ("NETWORK", "network", text),
    ("NETWORK_INSTANCE", "network_instance", text),
    ("ASSIGNED_AGENT_NAME", "assigned_agent_name", text),
    ("ASSIGNED_AGENT_EMAIL", "assigned_agent_email", text),
    ("ASSIGNED_TEAM_NAME", "assigned_team_name", text),
    ("AUTHOR_ID", "author_id", text),
    ("AUTHOR_NAME", "author_name", text),
    ("AUTHOR_SCREEN_NAME", "author_screen_name", text),
    ("CREATED_TIME", "created_at", english_time),
    ("TAR_START_TIME", "response_timer_started_at", english_time),
    ("DUE_TIME", "due_at", english_time),
    ("FIRST_RESPONSE_TIME", "first_response_at", english_time),
    ("LAST_RESPONSE_TIME", "last_response_at", english_time),
    ("CLOSED_TIME", "closed_at", english_time),
    ("REOPENED_TIME", "reopened_at", english_time),
    ("SNOOZE_EXPIRATION_TIME", "snoozed_until_at", english_time),
    ("DISPOSITION", "disposition", text),
    ("CUSTOM_DISPOSITION", "custom_disposition", text),
    ("CLOSED_BY_AGENT_ID", "closed_by_agent_id", text),
    ("CLOSED_BY_AGENT_NAME", "closed_by_agent_name", text),
    ("TOTAL_POSTS", "incoming_posts", text),
    ("TOTAL_RESPONSES", "responses", text),
    ("TOTAL_NOTES", "notes", text),
    ("REOPEN_COUNT", "reopenings", text),
    ("TIME_TO_FIRST_RESPONSE", "time_to_first_response_seconds", duration),
    ("TIME_TO_CLOSE", "time_to_close_seconds", duration),
    ("TOTAL_HANDLE_TIME", "handle_milliseconds", duration_of_milliseconds),
    ("NEEDS_ATTENTION", "is_attention_needed", flag),
    ("CREATED_DURING_BUSINESS_HOURS", "is_created_in_business_hours", flag),
    ("IS_PRIVATE", "is_private", flag),
)

ORACLES = (
    ReportOracle(
        report="conversation",
        dialect="khoros",
        tables=("conversation", "conversation_action", "post", "conversation_tag"),
        expected_rows=conversations,
        check_file=khoros_entries(CONVERSATION),
        tenants=eventful_tenants,
        requests=every_selection,
    ),
)
