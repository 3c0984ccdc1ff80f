"""What the reports about work on conversations must yield, worked out row by row in plain Python.

Written from the contract (contracts/khoros.md 3.2, 3.3, 3.9, 3.10 and 5), the data model and the meanings of the
columns, without a look at the reports' SQL, so that a mistake in one of the two shows as a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import groupby

from offtake.model.request import Parameters
from offtake.model.timespan import Timespan
from tests.property.conversation_filters import as_text, fits_the_hours, is_about
from tests.strategies import Care, Row, zone

PATTERN = "%m/%d/%Y %I:%M:%S %p"  # English, section 5.2


def conversation_actions(care: Care, timespan: Timespan, wanted: Parameters) -> list[Row]:
    """One row per action in the timespan that the filters let through."""
    rows = []
    for action in care.rows["conversation_action"]:
        if not timespan.start <= action["happened_at"] < timespan.end:
            continue
        conversation = _conversation(care, timespan, action["conversation_id"])
        if is_about(care, wanted, conversation) and fits_the_hours(care, wanted, action["happened_at"]):
            post = _find(care, "post", action["post_id"])
            known_post = post if post and post["happened_at"] < timespan.end else None
            rows.append(_action(care, action, conversation, known_post))
    return rows


def conversation_history_action(care: Care, timespan: Timespan, wanted: Parameters, as_of: datetime) -> list[Row]:
    """The whole history, as known at ``as_of``, of the conversations that were worked on in the timespan."""
    known = [action for action in care.rows["conversation_action"] if action["happened_at"] <= as_of]
    known.sort(key=lambda action: (action["conversation_id"], action["happened_at"], action["action_id"]))
    rows: list[Row] = []
    for conversation_id, actions in groupby(known, key=lambda action: str(action["conversation_id"])):
        history = list(actions)
        conversation = _conversation(care, timespan, conversation_id)
        touched = any(timespan.start <= action["happened_at"] < timespan.end for action in history)
        if touched and is_about(care, wanted, conversation):
            kept = list(_numbered(care, history, conversation, as_of))
            kept = [row for row in kept if fits_the_hours(care, wanted, row["happened_at"])]
            rows += kept[max(0, len(kept) - wanted.actions_cap) :]
    return rows


def _numbered(care: Care, history: list[Row], conversation: Row | None, as_of: datetime) -> Iterator[Row]:
    """The actions of one conversation, counted, with the gap before each."""
    previous = None
    for number, action in enumerate(history, start=1):
        post = _find(care, "post", action["post_id"])
        row = _action(care, action, conversation, post if post and post["happened_at"] <= as_of else None)
        row["sequence"] = number
        row["since_previous_seconds"] = _seconds(previous, action["happened_at"])
        previous = action["happened_at"]
        yield row


def _seconds(start: datetime | None, end: datetime | None) -> int | None:
    """Whole seconds elapsed, where both instants are known."""
    return None if start is None or end is None else (end - start) // timedelta(seconds=1)


def raw_expert_help(care: Care, timespan: Timespan, wanted: Parameters) -> list[Row]:
    """One row per request for help that was raised in the timespan."""
    rows = []
    for request in care.rows["help_request"]:
        at = request["requested_at"]
        conversation = _conversation(care, timespan, request["conversation_id"])
        if not (timespan.start <= at < timespan.end and fits_the_hours(care, wanted, at)):
            continue
        if is_about(care, wanted, conversation):
            passed_on = ("help_request_id", "requested_at", "status", "answered_at", "question", "answer")
            rows.append(
                {name: request[name] for name in (*passed_on, "conversation_id")}
                | _person(care, request["agent_id"], "requesting_agent")
                | _person(care, request["expert_agent_id"], "expert_agent")
                | _of_conversation(care, conversation, "priority")
                | {"time_to_answer_seconds": _seconds(at, request["answered_at"])}
            )
    return rows


def response_approval(care: Care, timespan: Timespan, wanted: Parameters) -> list[Row]:
    """One row per submission in the timespan, by agents of the teams asked for who may still log in."""
    numbers = {row["team_id"]: as_text(row["number"]) for row in care.rows["team"]}
    rows = []
    for approval in care.rows["response_approval"]:
        at = approval["submitted_at"]
        if not (timespan.start <= at < timespan.end and fits_the_hours(care, wanted, at)):
            continue
        agent = _find(care, "agent", approval["agent_id"])
        if agent and not agent["is_active"] and not wanted.include_disabled:
            continue
        teams = {row["team_id"] for row in care.rows["team_member"] if row["agent_id"] == approval["agent_id"]}
        if wanted.team_ids is not None and not {numbers.get(team) for team in teams} & set(wanted.team_ids):
            continue
        conversation = _conversation(care, timespan, approval["conversation_id"])
        if is_about(care, wanted, conversation):
            passed_on = ("submitted_at", "claimed_at", "reviewed_at", "status", "rejection_reason", "original_body")
            took = _seconds(at, approval["reviewed_at"])
            rows.append(
                {name: approval[name] for name in (*passed_on, "response_id", "final_body", "conversation_id")}
                | _person(care, approval["agent_id"], "submitting_agent")
                | _person(care, approval["reviewer_agent_id"], "reviewer_agent")
                | _of_conversation(care, conversation, "network")
                | {"time_to_approve_seconds": took if approval["status"] == "APPROVED" else None}
            )
    return rows


def _person(care: Care, agent_id: str | None, role: str) -> Row:
    agent = _find(care, "agent", agent_id) or {}
    return {f"{role}_{name}": agent.get(name) for name in ("number", "name", "email")}


def _of_conversation(care: Care, conversation: Row | None, column: str) -> Row:
    """What the shorter reports show of a conversation."""
    about = conversation or {}
    queue = _find(care, "queue", about.get("queue_id")) or {}
    return {"conversation_number": about.get("number"), column: about.get(column), "queue_name": queue.get("name")}


def _action(care: Care, action: Row, conversation: Row | None, post: Row | None) -> Row:
    """An action with the people it names and its conversation as it stands now."""
    about = conversation or {}
    agent = _find(care, "agent", action["agent_id"]) or {}
    queue = _find(care, "queue", about.get("queue_id")) or {}
    passed_on = ("action_id", "happened_at", "kind", "detail", "actor", "old_value", "new_value", "conversation_id")
    return {name: action[name] for name in passed_on} | {
        "agent_number": agent.get("number"),
        "agent_name": agent.get("name"),
        "agent_email": agent.get("email"),
        "team_name": (_find(care, "team", action["team_id"]) or {}).get("name"),
        "conversation_number": about.get("number"),
        "status": about["status"].upper() if about else None,
        "priority": about.get("priority"),
        "queue_number": queue.get("number"),
        "queue_name": queue.get("name"),
        "network": about.get("network"),
        "author_id": about.get("author_id"),
        "author_name": (_find(care, "author", about.get("author_id")) or {}).get("name"),
        "post_number": (post or {}).get("number"),
    }


def _conversation(care: Care, timespan: Timespan, wanted: str) -> Row | None:
    """The conversation, unless it begins after the timespan."""
    found = _find(care, "conversation", wanted)
    return found if found and found["created_at"] < timespan.end else None


def _find(care: Care, table: str, wanted: str | None) -> Row | None:
    return next((row for row in care.rows[table] if row[f"{table}_id"] == wanted), None)


# How section 3 types a column; everything is text, and what is absent is empty (sections 3.0 and 5).


def _plain(value: object, _: str) -> str:
    return "" if value is None else str(value)


def _ts(value: object, name: str) -> str:
    return value.astimezone(zone(name)).strftime(PATTERN) if isinstance(value, datetime) else ""


def _dur(value: object, _: str) -> str:
    """Hours without bound, minutes and seconds."""
    if value is None:
        return ""
    assert isinstance(value, int)
    minutes, seconds = divmod(value, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}"


# Column on the wire, column of the report, how it is shown.
Shape = tuple[tuple[str, str, Callable[[object, str], str]], ...]

CONVERSATION_ACTIONS: Shape = (
    ("ACTION_ID", "action_id", _plain),
    ("ACTION_TIME", "happened_at", _ts),
    ("ACTION_TYPE", "kind", _plain),
    ("ACTION_DETAIL", "detail", _plain),
    ("ACTOR_TYPE", "actor", _plain),
    ("AGENT_ID", "agent_number", _plain),
    ("AGENT_NAME", "agent_name", _plain),
    ("AGENT_EMAIL", "agent_email", _plain),
    ("TEAM_NAME", "team_name", _plain),
    ("OLD_VALUE", "old_value", _plain),
    ("NEW_VALUE", "new_value", _plain),
    ("CONVERSATION_ID", "conversation_id", _plain),
    ("CONVERSATION_DISPLAY_ID", "conversation_number", _plain),
    ("STATUS", "status", _plain),
    ("PRIORITY", "priority", _plain),
    ("WORK_QUEUE_ID", "queue_number", _plain),
    ("WORK_QUEUE_NAME", "queue_name", _plain),
    ("NETWORK", "network", _plain),
    ("AUTHOR_ID", "author_id", _plain),
    ("AUTHOR_NAME", "author_name", _plain),
    ("DOCUMENT_ID", "post_number", _plain),
)
CONVERSATION_HISTORY_ACTION: Shape = (
    *CONVERSATION_ACTIONS,
    ("ACTION_SEQUENCE", "sequence", _plain),
    ("TIME_SINCE_PREVIOUS_ACTION", "since_previous_seconds", _dur),
)
RAW_EXPERT_HELP: Shape = (
    ("HELP_REQUEST_ID", "help_request_id", _plain),
    ("REQUEST_TIME", "requested_at", _ts),
    ("REQUESTING_AGENT_ID", "requesting_agent_number", _plain),
    ("REQUESTING_AGENT_NAME", "requesting_agent_name", _plain),
    ("REQUESTING_AGENT_EMAIL", "requesting_agent_email", _plain),
    ("EXPERT_ID", "expert_agent_number", _plain),
    ("EXPERT_NAME", "expert_agent_name", _plain),
    ("EXPERT_EMAIL", "expert_agent_email", _plain),
    ("HELP_REQUEST_STATUS", "status", _plain),
    ("ANSWER_TIME", "answered_at", _ts),
    ("TIME_TO_ANSWER", "time_to_answer_seconds", _dur),
    ("REQUEST_TEXT", "question", _plain),
    ("ANSWER_TEXT", "answer", _plain),
    ("CONVERSATION_ID", "conversation_id", _plain),
    ("CONVERSATION_DISPLAY_ID", "conversation_number", _plain),
    ("PRIORITY", "priority", _plain),
    ("WORK_QUEUE_NAME", "queue_name", _plain),
)
RESPONSE_APPROVAL: Shape = (
    ("RESPONSE_ID", "response_id", _plain),
    ("SUBMITTED_TIME", "submitted_at", _ts),
    ("SUBMITTING_AGENT_ID", "submitting_agent_number", _plain),
    ("SUBMITTING_AGENT_NAME", "submitting_agent_name", _plain),
    ("SUBMITTING_AGENT_EMAIL", "submitting_agent_email", _plain),
    ("REVIEWER_ID", "reviewer_agent_number", _plain),
    ("REVIEWER_NAME", "reviewer_agent_name", _plain),
    ("REVIEWER_EMAIL", "reviewer_agent_email", _plain),
    ("REVIEW_CLAIMED_TIME", "claimed_at", _ts),
    ("REVIEWED_TIME", "reviewed_at", _ts),
    ("APPROVAL_STATUS", "status", _plain),
    ("REJECTION_REASON", "rejection_reason", _plain),
    ("TIME_TO_APPROVE", "time_to_approve_seconds", _dur),
    ("ORIGINAL_TEXT", "original_body", _plain),
    ("FINAL_TEXT", "final_body", _plain),
    ("CONVERSATION_ID", "conversation_id", _plain),
    ("CONVERSATION_DISPLAY_ID", "conversation_number", _plain),
    ("NETWORK", "network", _plain),
    ("WORK_QUEUE_NAME", "queue_name", _plain),
)


def entries(shape: Shape, rows: list[Row], *, zone_name: str) -> list[Row]:
    """The rows as objects of a JSON file."""
    return [{key: shown(row[source], zone_name) for key, source, shown in shape} for row in rows]
