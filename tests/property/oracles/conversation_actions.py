"""Oracles of the reports about work on conversations: Khoros contract 3.2, 3.3, 3.9, 3.10 and 5."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from offtake.model.request import ReportParameters
from offtake.model.timespan import Timespan
from tests.property.oracles.conversation_filters import (
    accounts_drawn,
    conversation_parameters,
    filtered_requests,
    fits_the_hours,
    is_about,
    perhaps_some,
    with_accounts,
)
from tests.property.oracles.elapsed import seconds_rounded_down
from tests.property.oracles.file_checks import khoros_entries
from tests.property.oracles.khoros_values import duration, english_time, text
from tests.property.oracles.lookups import find, shown_id
from tests.property.oracles.people import People
from tests.property.oracles.report_oracle import ExportCase, ReportOracle
from tests.property.oracles.shapes import Shape
from tests.strategies import Care, Row, Scenario


def conversation_actions(case: ExportCase) -> list[Row]:
    """One row per action in the timespan that the filters keep."""
    care, timespan, wanted = case.care, case.timespan, case.parameters
    rows = []
    for action in care.rows["conversation_action"]:
        if not timespan.start <= action["happened_at"] < timespan.end:
            continue
        conversation = _conversation(care, action["conversation_id"])
        if is_about(care, wanted, conversation) and fits_the_hours(care, wanted, action["happened_at"]):
            rows.append(_action(care, action, conversation))
    return rows


def conversation_history_action(case: ExportCase) -> list[Row]:
    """The whole history, as known at ``as_of``, of the conversations with an action in the timespan."""
    care, timespan, wanted, as_of = case.care, case.timespan, case.parameters, case.as_of
    known = [action for action in care.rows["conversation_action"] if action["happened_at"] <= as_of]
    known.sort(key=lambda action: (action["conversation_id"], action["happened_at"], action["action_id"]))
    rows: list[Row] = []
    for conversation_id, actions in groupby(known, key=lambda action: str(action["conversation_id"])):
        history = list(actions)
        conversation = _conversation(care, conversation_id)
        inside = [row["happened_at"] for row in history if timespan.start <= row["happened_at"] < timespan.end]
        if any(fits_the_hours(care, wanted, at) for at in inside) and is_about(care, wanted, conversation):
            kept = list(_numbered(care, history, conversation))
            rows += kept[max(0, len(kept) - wanted.actions_cap) :]
    return rows


def _numbered(care: Care, history: list[Row], conversation: Row | None) -> Iterator[Row]:
    """The actions of one conversation, counted, with the gap before each."""
    previous = None
    for number, action in enumerate(history, start=1):
        row = _action(care, action, conversation)
        row["sequence"] = number
        row["since_previous_seconds"] = seconds_rounded_down(previous, action["happened_at"])
        previous = action["happened_at"]
        yield row


def raw_expert_help(case: ExportCase) -> list[Row]:
    """One row per request for help that was raised in the timespan."""
    care, timespan, wanted = case.care, case.timespan, case.parameters
    rows = []
    for request in care.rows["help_request"]:
        at = request["requested_at"]
        conversation = _conversation(care, request["conversation_id"])
        if not (timespan.start <= at < timespan.end and fits_the_hours(care, wanted, at)):
            continue
        if is_about(care, wanted, conversation):
            passed_on = ("help_request_id", "requested_at", "status", "answered_at", "question", "answer")
            rows.append(
                {name: request[name] for name in (*passed_on, "conversation_id")}
                | _person(care, request["agent_id"], "requesting_agent")
                | _person(care, request["expert_agent_id"], "expert_agent")
                | _of_conversation(care, conversation, "priority")
                | {"time_to_answer_seconds": seconds_rounded_down(at, request["answered_at"])}
            )
    return rows


def response_approval(case: ExportCase) -> list[Row]:
    """One row per submission in the timespan by an enabled agent of the requested teams."""
    care, timespan, wanted = case.care, case.timespan, case.parameters
    rows, people = [], People(care)
    for approval in care.rows["response_approval"]:
        at = approval["submitted_at"]
        if not (timespan.start <= at < timespan.end and fits_the_hours(care, wanted, at)):
            continue
        agent = find(care, "agent", approval["agent_id"])
        if agent and not agent["is_active"] and not wanted.include_disabled:
            continue
        if not people.in_teams(approval["agent_id"], wanted.team_ids):
            continue
        conversation = _conversation(care, approval["conversation_id"])
        if is_about(care, wanted, conversation):
            passed_on = ("submitted_at", "claimed_at", "reviewed_at", "status", "rejection_reason", "original_body")
            took = seconds_rounded_down(at, approval["reviewed_at"])
            rows.append(
                {name: approval[name] for name in (*passed_on, "response_id", "final_body", "conversation_id")}
                | _person(care, approval["agent_id"], "submitting_agent")
                | _person(care, approval["reviewer_agent_id"], "reviewer_agent")
                | _of_conversation(care, conversation, "network")
                | {"time_to_approve_seconds": took if approval["status"] == "APPROVED" else None}
            )
    return rows


def _person(care: Care, agent_id: str | None, role: str) -> Row:
    agent = find(care, "agent", agent_id)
    known = {f"{role}_{name}": agent.get(name) for name in ("name", "email")}
    return known | {f"{role}_id": shown_id(care, "agent", agent_id)}


def _of_conversation(care: Care, conversation: Row | None, column: str) -> Row:
    """The columns of a conversation in the shorter reports."""
    about = conversation or {}
    queue = find(care, "queue", about.get("queue_id"))
    return {"conversation_number": about.get("number"), column: about.get(column), "queue_name": queue.get("name")}


def _action(care: Care, action: Row, conversation: Row | None) -> Row:
    """An action with the people and the post that it names, and its conversation, all as they stand now."""
    about = conversation or {}
    agent = find(care, "agent", action["agent_id"])
    queue = find(care, "queue", about.get("queue_id"))
    passed_on = ("action_id", "happened_at", "kind", "detail", "actor", "old_value", "new_value", "conversation_id")
    return {name: action[name] for name in passed_on} | {
        "agent_id": shown_id(care, "agent", action["agent_id"]),
        "agent_name": agent.get("name"),
        "agent_email": agent.get("email"),
        "team_name": find(care, "team", action["team_id"]).get("name"),
        "conversation_number": about.get("number"),
        "status": about["status"].upper() if about else None,
        "priority": about.get("priority"),
        "queue_id": shown_id(care, "queue", about.get("queue_id")),
        "queue_name": queue.get("name"),
        "network": about.get("network"),
        "author_id": about.get("author_id"),
        "author_name": find(care, "author", about.get("author_id")).get("name"),
        "post_number": find(care, "post", action["post_id"]).get("number"),
    }


def _conversation(care: Care, wanted: str) -> Row | None:
    """The conversation, if the lake has it; it may begin with a message that is sent after the action."""
    return find(care, "conversation", wanted) or None


_CAPS = st.sampled_from((1, 2, 3, 500))


@st.composite
def capped_requests(draw: DrawFn, care: Care, timespan: Timespan) -> Sequence[ReportParameters]:
    """Filters and a cap on the actions per conversation."""
    return [replace(draw(conversation_parameters(care)), actions_cap=draw(_CAPS))]


@st.composite
def tenants_with_teams(draw: DrawFn, scenario: Scenario) -> tuple[Care, ...]:
    """Tenants with teams and members: a submitting agent may be in several teams, in none, or be unknown."""
    return draw(with_accounts(tuple(_with_teams(draw, care) for care in scenario.tenants)))


def _with_teams(draw: DrawFn, care: Care) -> Care:
    team_ids = draw(st.lists(st.sampled_from("abcd"), max_size=4, unique=True))
    teams = tuple(
        {"team_id": name, "name": name, "number": None if name == "b" else 40 + ord(name) % 3} for name in team_ids
    )
    agents = sorted({row["agent_id"] for row in (*care.rows["response_approval"], *care.rows["agent"])})
    pairs = [(team, agent) for team in "abcde" for agent in agents]
    members = draw(st.lists(st.sampled_from(pairs), max_size=8, unique=True)) if pairs else []
    membership = tuple({"team_id": team, "agent_id": agent} for team, agent in members)
    return replace(care, rows={**care.rows, "team": teams, "team_member": membership})


@st.composite
def team_requests(draw: DrawFn, care: Care, timespan: Timespan) -> Sequence[ReportParameters]:
    """Filters about conversations, teams and disabled agents."""
    teams = (row["team_id"] for table in ("team", "team_member", "agent") for row in care.rows[table])
    numbers = ["7", *(shown_id(care, "team", team) or "" for team in teams)]
    return [
        replace(
            draw(conversation_parameters(care)),
            team_ids=draw(perhaps_some(numbers)),
            include_disabled=draw(st.booleans()),
        )
    ]


CONVERSATION_ACTIONS: Shape = (
    ("ACTION_ID", "action_id", text),
    ("ACTION_TIME", "happened_at", english_time),
    ("ACTION_TYPE", "kind", text),
    ("ACTION_DETAIL", "detail", text),
    ("ACTOR_TYPE", "actor", text),
    ("AGENT_ID", "agent_id", text),
    ("AGENT_NAME", "agent_name", text),
    ("AGENT_EMAIL", "agent_email", text),
    ("TEAM_NAME", "team_name", text),
    ("OLD_VALUE", "old_value", text),
    ("NEW_VALUE", "new_value", text),
    ("CONVERSATION_ID", "conversation_id", text),
    ("CONVERSATION_DISPLAY_ID", "conversation_number", text),
    ("STATUS", "status", text),
    ("PRIORITY", "priority", text),
    ("WORK_QUEUE_ID", "queue_id", text),
    ("WORK_QUEUE_NAME", "queue_name", text),
    ("NETWORK", "network", text),
    ("AUTHOR_ID", "author_id", text),
    ("AUTHOR_NAME", "author_name", text),
    ("DOCUMENT_ID", "post_number", text),
)
CONVERSATION_HISTORY_ACTION: Shape = (
    *CONVERSATION_ACTIONS,
    ("ACTION_SEQUENCE", "sequence", text),
    ("TIME_SINCE_PREVIOUS_ACTION", "since_previous_seconds", duration),
)
RAW_EXPERT_HELP: Shape = (
    ("HELP_REQUEST_ID", "help_request_id", text),
    ("REQUEST_TIME", "requested_at", english_time),
    ("REQUESTING_AGENT_ID", "requesting_agent_id", text),
    ("REQUESTING_AGENT_NAME", "requesting_agent_name", text),
    ("REQUESTING_AGENT_EMAIL", "requesting_agent_email", text),
    ("EXPERT_ID", "expert_agent_id", text),
    ("EXPERT_NAME", "expert_agent_name", text),
    ("EXPERT_EMAIL", "expert_agent_email", text),
    ("HELP_REQUEST_STATUS", "status", text),
    ("ANSWER_TIME", "answered_at", english_time),
    ("TIME_TO_ANSWER", "time_to_answer_seconds", duration),
    ("REQUEST_TEXT", "question", text),
    ("ANSWER_TEXT", "answer", text),
    ("CONVERSATION_ID", "conversation_id", text),
    ("CONVERSATION_DISPLAY_ID", "conversation_number", text),
    ("PRIORITY", "priority", text),
    ("WORK_QUEUE_NAME", "queue_name", text),
)
RESPONSE_APPROVAL: Shape = (
    ("RESPONSE_ID", "response_id", text),
    ("SUBMITTED_TIME", "submitted_at", english_time),
    ("SUBMITTING_AGENT_ID", "submitting_agent_id", text),
    ("SUBMITTING_AGENT_NAME", "submitting_agent_name", text),
    ("SUBMITTING_AGENT_EMAIL", "submitting_agent_email", text),
    ("REVIEWER_ID", "reviewer_agent_id", text),
    ("REVIEWER_NAME", "reviewer_agent_name", text),
    ("REVIEWER_EMAIL", "reviewer_agent_email", text),
    ("REVIEW_CLAIMED_TIME", "claimed_at", english_time),
    ("REVIEWED_TIME", "reviewed_at", english_time),
    ("APPROVAL_STATUS", "status", text),
    ("REJECTION_REASON", "rejection_reason", text),
    ("TIME_TO_APPROVE", "time_to_approve_seconds", duration),
    ("ORIGINAL_TEXT", "original_body", text),
    ("FINAL_TEXT", "final_body", text),
    ("CONVERSATION_ID", "conversation_id", text),
    ("CONVERSATION_DISPLAY_ID", "conversation_number", text),
    ("NETWORK", "network", text),
    ("WORK_QUEUE_NAME", "queue_name", text),
)

ORACLES = (
    ReportOracle(
        report="conversation_actions",
        dialect="khoros",
        tables=("conversation_action", "conversation", "post"),
        expected_rows=conversation_actions,
        check_file=khoros_entries(CONVERSATION_ACTIONS),
        tenants=accounts_drawn,
        requests=filtered_requests,
    ),
    ReportOracle(
        report="conversation_history_action",
        dialect="khoros",
        tables=("conversation_action", "conversation", "post"),
        max_rows=20,  # enough actions per conversation to exceed a cap
        expected_rows=conversation_history_action,
        check_file=khoros_entries(CONVERSATION_HISTORY_ACTION),
        tenants=accounts_drawn,
        requests=capped_requests,
    ),
    ReportOracle(
        report="raw_expert_help",
        dialect="khoros",
        tables=("help_request", "conversation"),
        expected_rows=raw_expert_help,
        check_file=khoros_entries(RAW_EXPERT_HELP),
        tenants=accounts_drawn,
        requests=filtered_requests,
    ),
    ReportOracle(
        report="response_approval",
        dialect="khoros",
        tables=("response_approval", "conversation"),
        expected_rows=response_approval,
        check_file=khoros_entries(RESPONSE_APPROVAL),
        tenants=tenants_with_teams,
        requests=team_requests,
    ),
)
