"""What `conversation` must yield, worked out conversation by conversation in plain Python.

Written from the contract (contracts/khoros.md 3.0, 3.1 and 5), the data model and the meanings of the columns, without
a look at the report's SQL, so that a mistake in one of the two shows as a difference. A conversation's history is lived
through in order of time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from offtake.model.request import BusinessHours, Parameters, Selection
from offtake.model.timespan import Timespan
from tests.property.conversation_filters import fits_the_hours, is_about
from tests.strategies import Care, Row, zone

PATTERN = "%m/%d/%Y %I:%M:%S %p"  # English, section 5.2


def conversations(care: Care, timespan: Timespan, wanted: Parameters) -> list[Row]:
    """One row per conversation that was chosen and that the filters let through."""
    rows = []
    for conversation in care.rows["conversation"]:
        created_at = conversation["created_at"]
        if created_at >= timespan.end:
            continue
        turns = _turns(care, conversation, timespan.end)
        chosen = {
            Selection.OPEN_AT_END: not turns or turns[-1]["kind"] == "REOPENED",
            Selection.CLOSED: any(turn["kind"] == "CLOSED" and turn["happened_at"] >= timespan.start for turn in turns),
            Selection.CREATED: created_at >= timespan.start,
        }[wanted.selection]
        if chosen and is_about(care, wanted, conversation) and fits_the_hours(care, wanted, created_at):
            rows.append(_row(care, conversation, turns, timespan.end))
    return rows


def _turns(care: Care, conversation: Row, end: datetime) -> list[Row]:
    """Closings and reopenings in order of time; at one instant closings come first, those of known agents last."""
    agents = sorted(row["agent_id"] for row in care.rows["agent"])

    def order(action: Row) -> tuple[datetime, bool, int]:
        known = action["agent_id"] in agents
        return action["happened_at"], action["kind"] == "REOPENED", agents.index(action["agent_id"]) if known else -1

    own = _history(care, "conversation_action", conversation, end)
    return sorted((action for action in own if action["kind"] in ("CLOSED", "REOPENED")), key=order)


def _row(care: Care, conversation: Row, turns: list[Row], end: datetime) -> Row:
    posts = _history(care, "post", conversation, end)
    received = [post for post in posts if post["kind"] == "incoming"]
    sent = sorted(post["happened_at"] for post in posts if post["kind"] == "response" and post["delivery"] != "failed")
    noted = [each for each in _history(care, "conversation_action", conversation, end) if each["kind"] == "NOTE_ADDED"]
    closings = [turn for turn in turns if turn["kind"] == "CLOSED"]
    reopenings = [turn for turn in turns if turn["kind"] == "REOPENED"]
    assigned = _find(care, "agent", conversation["assigned_agent_id"])
    closer = _find(care, "agent", closings[-1]["agent_id"]) if closings else {}
    queue = _find(care, "queue", conversation["queue_id"])
    author = _find(care, "author", conversation["author_id"])
    created_at = conversation["created_at"]
    passed_on = (
        *("conversation_id", "url", "priority", "network", "network_instance", "author_id", "created_at"),
        *("response_timer_started_at", "due_at", "snoozed_until_at", "disposition", "custom_disposition"),
        *("handle_milliseconds", "is_private"),
    )
    return {name: conversation[name] for name in passed_on} | {
        "status": conversation["status"].upper(),
        "conversation_number": conversation["number"],
        "assigned_agent_number": assigned.get("number"),
        "assigned_agent_name": assigned.get("name"),
        "assigned_agent_email": assigned.get("email"),
        "assigned_team_name": _find(care, "team", conversation["assigned_team_id"]).get("name"),
        "queue_number": queue.get("number"),
        "queue_name": queue.get("name"),
        "tag_names": _tags(care, conversation, end),
        "author_name": author.get("name"),
        "author_screen_name": author.get("screen_name"),
        "first_response_at": sent[0] if sent else None,
        "last_response_at": sent[-1] if sent else None,
        "closed_at": closings[-1]["happened_at"] if closings else None,
        "reopened_at": reopenings[-1]["happened_at"] if reopenings else None,
        "closed_by_agent_number": closer.get("number"),
        "closed_by_agent_name": closer.get("name"),
        "incoming_posts": len(received),
        "responses": len(sent),
        "notes": len(noted),
        "reopenings": len(reopenings),
        "time_to_first_response_seconds": (
            _elapsed(created_at, sent[0]) if sent and conversation["direction"] == "inbound" else None
        ),
        "time_to_close_seconds": _elapsed(created_at, closings[-1]["happened_at"]) if closings else None,
        "is_attention_needed": conversation["needs_attention"],
        "is_created_in_business_hours": fits_the_hours(care, _ONLY_INSIDE, created_at),
    }


_ONLY_INSIDE = Parameters(business_hours=BusinessHours.INSIDE)


def _history(care: Care, table: str, conversation: Row, end: datetime) -> list[Row]:
    """What the table says about the conversation before the end."""
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
    return sorted(_find(care, "tag", tag).get("name", tag) for tag in on) or None


def _elapsed(earlier: datetime, later: datetime) -> int:
    return max(later - earlier, timedelta()) // timedelta(seconds=1)


def _find(care: Care, table: str, wanted: str | None) -> Row:
    """The row of a dimension, or nothing known."""
    return next((row for row in care.rows[table] if row[f"{table}_id"] == wanted), {})


# How section 3 types a column; everything is text, and what is absent is empty (sections 3.0 and 5).


def _plain(value: object, _: str) -> str:
    return "" if value is None else str(value)


def _bool(value: object, _: str) -> str:
    return "" if value is None else "true" if value else "false"


def _ts(value: object, name: str) -> str:
    return value.astimezone(zone(name)).strftime(PATTERN) if isinstance(value, datetime) else ""


def _dur(value: object, _: str) -> str:
    if not isinstance(value, int):
        return ""
    minutes, seconds = divmod(value, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


def _dur_of_milliseconds(value: object, name: str) -> str:
    return _dur(value // 1000 if isinstance(value, int) else None, name)


def _list(value: object, _: str) -> str:
    return ", ".join(value) if isinstance(value, list) else ""


# Column on the wire, column of the report, how it is shown.
SHAPE: tuple[tuple[str, str, Callable[[object, str], str]], ...] = (
    ("CONVERSATION_ID", "conversation_id", _plain),
    ("STATUS", "status", _plain),
    ("ASSIGNED_AGENT_DISPLAY_ID", "assigned_agent_number", _plain),
    ("CONVERSATION_DISPLAY_ID", "conversation_number", _plain),
    ("CONVERSATION_LINK", "url", _plain),
    ("PRIORITY", "priority", _plain),
    ("WORK_QUEUE_ID", "queue_number", _plain),
    ("WORK_QUEUE_NAME", "queue_name", _plain),
    ("CONVERSATION_TAGS", "tag_names", _list),
    ("NETWORK", "network", _plain),
    ("NETWORK_INSTANCE", "network_instance", _plain),
    ("ASSIGNED_AGENT_NAME", "assigned_agent_name", _plain),
    ("ASSIGNED_AGENT_EMAIL", "assigned_agent_email", _plain),
    ("ASSIGNED_TEAM_NAME", "assigned_team_name", _plain),
    ("AUTHOR_ID", "author_id", _plain),
    ("AUTHOR_NAME", "author_name", _plain),
    ("AUTHOR_SCREEN_NAME", "author_screen_name", _plain),
    ("CREATED_TIME", "created_at", _ts),
    ("TAR_START_TIME", "response_timer_started_at", _ts),
    ("DUE_TIME", "due_at", _ts),
    ("FIRST_RESPONSE_TIME", "first_response_at", _ts),
    ("LAST_RESPONSE_TIME", "last_response_at", _ts),
    ("CLOSED_TIME", "closed_at", _ts),
    ("REOPENED_TIME", "reopened_at", _ts),
    ("SNOOZE_EXPIRATION_TIME", "snoozed_until_at", _ts),
    ("DISPOSITION", "disposition", _plain),
    ("CUSTOM_DISPOSITION", "custom_disposition", _plain),
    ("CLOSED_BY_AGENT_ID", "closed_by_agent_number", _plain),
    ("CLOSED_BY_AGENT_NAME", "closed_by_agent_name", _plain),
    ("TOTAL_POSTS", "incoming_posts", _plain),
    ("TOTAL_RESPONSES", "responses", _plain),
    ("TOTAL_NOTES", "notes", _plain),
    ("REOPEN_COUNT", "reopenings", _plain),
    ("TIME_TO_FIRST_RESPONSE", "time_to_first_response_seconds", _dur),
    ("TIME_TO_CLOSE", "time_to_close_seconds", _dur),
    ("TOTAL_HANDLE_TIME", "handle_milliseconds", _dur_of_milliseconds),
    ("NEEDS_ATTENTION", "is_attention_needed", _bool),
    ("CREATED_DURING_BUSINESS_HOURS", "is_created_in_business_hours", _bool),
    ("IS_PRIVATE", "is_private", _bool),
)


def entries(rows: list[Row], *, zone_name: str) -> list[Row]:
    """The rows as objects of a JSON file."""
    return [{key: shown(row[source], zone_name) for key, source, shown in SHAPE} for row in rows]
