"""What the reports about posts and their authors must yield, worked out row by row in plain Python.

Written from the contract (contracts/khoros.md 3.4 to 3.7, 3.14 and 5), the data model and the meanings of the columns,
without a look at the reports' SQL, so that a mistake in one of the two shows as a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from offtake.model.request import BusinessHours, Parameters
from offtake.model.timespan import Timespan
from tests.property.conversation_filters import fits_the_hours, is_about
from tests.strategies import Care, Row, zone

PATTERN = "%m/%d/%Y %I:%M:%S %p"  # English, section 5.2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One tenant's data as somebody asks for it: nothing from the end of the timespan on is known."""

    care: Care
    timespan: Timespan
    wanted: Parameters

    def find(self, table: str, wanted: object) -> Row:
        """The row with that id, or one without values."""
        return next((row for row in self.care.rows[table] if row[f"{table}_id"] == wanted), {})

    def conversation(self, post: Row) -> Row:
        """The post's conversation; one that begins later is not known."""
        found = self.find("conversation", post["conversation_id"])
        return found if found and found["created_at"] < self.timespan.end else {}

    def posts(self, kind: str) -> Iterator[Row]:
        """All posts of a kind until the end, in order of time, then of id."""
        found = [row for row in self.care.rows["post"] if row["kind"] == kind]
        for post in sorted(found, key=lambda row: (row["happened_at"], row["post_id"])):
            if post["happened_at"] < self.timespan.end:
                yield post

    def chosen(self, kind: str) -> Iterator[Row]:
        """Those of the timespan that the filters let through."""
        for post in self.posts(kind):
            about = self.conversation(post) or None
            inside = post["happened_at"] >= self.timespan.start
            if inside and is_about(self.care, self.wanted, about) and self.fits(self.wanted, post["happened_at"]):
                yield post

    def answered(self, response: Row) -> Row:
        """The incoming post that a response answers, where it is known and not later than the response."""
        for post in self.posts("incoming"):
            if post["post_id"] == response["in_reply_to_post_id"]:
                return post if post["happened_at"] <= response["happened_at"] else {}
        return {}

    def other_side(self, post: Row) -> str | None:
        """Who wrote an incoming post; whom a response is for."""
        if post["kind"] == "incoming":
            return _text(post["author_id"])
        writer = self.answered(post).get("author_id")
        return _text(self.conversation(post).get("author_id") if writer is None else writer)

    def fits(self, wanted: Parameters, at: datetime) -> bool:
        """Whether a filter by business hours lets the instant through."""
        return fits_the_hours(self.care, wanted, at)

    def is_open(self, at: datetime) -> bool:
        """Whether the account is open at that time."""
        return self.fits(Parameters(business_hours=BusinessHours.INSIDE), at)


def incoming_post(care: Care, timespan: Timespan, wanted: Parameters) -> list[Row]:
    """One row per post received in the timespan."""
    asked = _Asked(care=care, timespan=timespan, wanted=wanted)
    return [_incoming(asked, post) for post in asked.chosen("incoming")]


def response(care: Care, timespan: Timespan, wanted: Parameters) -> list[Row]:
    """One row per response sent in the timespan."""
    asked = _Asked(care=care, timespan=timespan, wanted=wanted)
    return [_response(asked, post) for post in asked.chosen("response")]


def combined(care: Care, timespan: Timespan, wanted: Parameters) -> list[Row]:
    """Both, one after the other: what a document has of its own, and what only one of the two kinds has."""
    asked = _Asked(care=care, timespan=timespan, wanted=wanted)
    rows = []
    for post in asked.chosen("incoming"):
        both, own = _incoming(asked, post), dict.fromkeys(_OF_RESPONSES.values())
        rows.append({"direction": "INCOMING", **both, **own, "conversation_tags": _tags(asked, post)})
    for post in asked.chosen("response"):
        of_response = _response(asked, post)
        both = {**_incoming(asked, post), "is_answered": None, "first_response_at": None}
        own = {name: of_response[source] for source, name in _OF_RESPONSES.items()}
        rows.append({"direction": "RESPONSE", **both, **own, "conversation_tags": of_response["conversation_tags"]})
    return rows


def author(care: Care, timespan: Timespan, wanted: Parameters) -> list[Row]:
    """One row per author who wrote at least one of the incoming posts."""
    asked = _Asked(care=care, timespan=timespan, wanted=wanted)
    received = [asked.other_side(post) for post in asked.chosen("response") if post["delivery"] != "failed"]
    posts: dict[str, list[Row]] = {}
    for post in asked.chosen("incoming"):
        if post["author_id"] is not None:
            posts.setdefault(post["author_id"], []).append(post)
    rows = []
    for who, written in posts.items():
        known = asked.find("author", who)
        passed_on = ("person_id", "screen_name", "network", "network_instance", "network_author_id", "profile_url")
        rows.append(
            {name: known.get(name) for name in (*passed_on, "tags", "notes_count")}
            | {
                "author_id": who,
                "author_number": known.get("number"),
                "author_name": known.get("name"),
                "first_post_at": written[0]["happened_at"],
                "last_post_at": written[-1]["happened_at"],
                "posts_count": len(written),
                "conversations_count": len({post["conversation_id"] for post in written}),
                "responses_count": received.count(who),
            }
        )
    return rows


def brand_post(care: Care, timespan: Timespan, wanted: Parameters) -> list[Row]:
    """One row per post that appeared in the timespan."""
    asked = _Asked(care=care, timespan=timespan, wanted=wanted)
    replaced = ("agent_id", "approving_agent_id")
    rows = []
    for post in care.rows["brand_post"]:
        if post["published_at"] is None or not timespan.start <= post["published_at"] < timespan.end:
            continue
        if wanted.campaign_ids is not None and post["campaign_id"] not in wanted.campaign_ids:
            continue
        writer, approver = (asked.find("agent", post[name]) for name in replaced)
        rows.append(
            {name: value for name, value in post.items() if name not in replaced}
            | {
                "campaign_name": asked.find("campaign", post["campaign_id"]).get("name"),
                "agent_number": writer.get("number"),
                "agent_name": writer.get("name"),
                "agent_email": writer.get("email"),
                "approving_agent_name": approver.get("name"),
            }
        )
    return rows


def _incoming(asked: _Asked, post: Row) -> Row:
    """The columns of section 3.4, for a document that went either way."""
    responses = [row for row in asked.posts("response") if row["in_reply_to_post_id"] == post["post_id"]]
    reached = [row for row in responses if row["delivery"] != "failed" and row["happened_at"] >= post["happened_at"]]
    same = ("url", "form", "title", "body", "language", "published_at", "in_reply_to_post_id", "is_private")
    return {name: post[name] for name in (*same, "is_source_deleted", "tags", "sentiment", "ingest_method")} | {
        "post_id": post["post_id"],
        "post_number": post["number"],
        "received_at": post["happened_at"],
        "is_in_business_hours": asked.is_open(post["happened_at"]),
        **_surroundings(asked, post),
        "network_instance": _side(asked, post).get("network_instance"),
        "is_answered": bool(reached),
        "first_response_at": reached[0]["happened_at"] if reached else None,
    }


def _response(asked: _Asked, post: Row) -> Row:
    """The columns of section 3.5."""
    agent, answered = asked.find("agent", post["agent_id"]), asked.answered(post)
    firsts = [
        row["post_id"]
        for row in asked.posts("response")
        if row["conversation_id"] == post["conversation_id"] and row["delivery"] != "failed"
    ]
    elapsed = post["happened_at"] - answered["happened_at"] if answered else None
    return {
        "agent_name": agent.get("name"),
        "agent_email": agent.get("email"),
        "response_id": post["post_id"],
        "agent_number": agent.get("number"),
        "team_name": asked.find("team", post["team_id"]).get("name"),
        "sent_at": post["happened_at"],
        **{name: post[name] for name in ("body", "url", "delivery", "in_reply_to_post_id", "is_private")},
        "in_reply_to_received_at": answered.get("happened_at"),
        "time_to_respond_seconds": None if elapsed is None else elapsed // timedelta(seconds=1),
        "is_first_response": firsts[:1] == [post["post_id"]],
        "is_in_business_hours": asked.is_open(post["happened_at"]),
        **_surroundings(asked, post),
        "conversation_tags": _tags(asked, post),
    }


def _surroundings(asked: _Asked, post: Row) -> Row:
    """The network, the account on the other side, the conversation as it stands now."""
    conversation, writer = asked.conversation(post), asked.other_side(post)
    known, queue = asked.find("author", writer), asked.find("queue", conversation.get("queue_id"))
    return {
        "network": _side(asked, post).get("network"),
        "author_id": writer,
        "author_number": known.get("number"),
        "author_name": known.get("name"),
        "author_screen_name": known.get("screen_name"),
        "conversation_id": post["conversation_id"],
        "conversation_number": conversation.get("number"),
        "priority": conversation.get("priority"),
        "queue_number": queue.get("number"),
        "queue_name": queue.get("name"),
    }


def _side(asked: _Asked, post: Row) -> Row:
    """What says where a post belongs: the conversation if it names a network, else the author."""
    conversation = asked.conversation(post)
    return conversation if conversation.get("network") is not None else asked.find("author", asked.other_side(post))


def _tags(asked: _Asked, post: Row) -> list[str] | None:
    """Names of the tags that the conversation carries just before the end, in order of name."""
    end = asked.timespan.end
    on = {
        row["tag_id"]
        for row in asked.care.rows["conversation_tag"]
        if row["conversation_id"] == post["conversation_id"]
        and row["attached_at"] < end
        and (row["detached_at"] is None or row["detached_at"] >= end)
    }
    return sorted(asked.find("tag", tag).get("name", tag) for tag in on) or None


def _text(value: object) -> str | None:
    assert value is None or isinstance(value, str)
    return value


# What a response has beside what every document has, and its name in the combined report.
_OF_RESPONSES = {
    "agent_name": "agent_name",
    "agent_email": "agent_email",
    "response_id": "response_id",
    "agent_number": "agent_number",
    "team_name": "team_name",
    "sent_at": "sent_at",
    "body": "response_body",
    "url": "response_url",
    "delivery": "delivery",
    "in_reply_to_post_id": "response_in_reply_to_post_id",
    "in_reply_to_received_at": "in_reply_to_received_at",
    "time_to_respond_seconds": "time_to_respond_seconds",
    "is_first_response": "is_first_response",
    "is_in_business_hours": "is_sent_in_business_hours",
}


# How section 3 types a column; everything is text, and what is absent is empty (sections 3.0 and 5).


def _plain(value: object, _: str) -> str:
    return "" if value is None else str(value)


def _bool(value: object, _: str) -> str:
    return "" if value is None else "true" if value else "false"


def _ts(value: object, name: str) -> str:
    return value.astimezone(zone(name)).strftime(PATTERN) if isinstance(value, datetime) else ""


def _dur(value: object, _: str) -> str:
    """The text of an elapsed time, put together from whole hours, minutes and seconds."""
    if value is None:
        return ""
    assert isinstance(value, int)
    minutes, seconds = divmod(value, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}"


def _list(value: object, _: str) -> str:
    return ", ".join(value) if isinstance(value, list) else ""


# Column on the wire, column of the report, how it is shown: in the order of section 3.
Shape = tuple[tuple[str, str, Callable[[object, str], str]], ...]

_AUTHOR: Shape = (
    ("AUTHOR_ID", "author_id", _plain),
    ("AUTHOR_DISPLAY_ID", "author_number", _plain),
    ("AUTHOR_NAME", "author_name", _plain),
    ("AUTHOR_SCREEN_NAME", "author_screen_name", _plain),
)
_CONVERSATION: Shape = (
    ("CONVERSATION_ID", "conversation_id", _plain),
    ("CONVERSATION_DISPLAY_ID", "conversation_number", _plain),
    ("PRIORITY", "priority", _plain),
    ("WORK_QUEUE_ID", "queue_number", _plain),
    ("WORK_QUEUE_NAME", "queue_name", _plain),
)
INCOMING_POST: Shape = (
    ("POST_ID", "post_id", _plain),
    ("DOCUMENT_ID", "post_number", _plain),
    ("POST_URL", "url", _plain),
    ("POST_TYPE", "form", _plain),
    ("POST_TITLE", "title", _plain),
    ("POST_TEXT", "body", _plain),
    ("POST_LANGUAGE", "language", _plain),
    ("PUBLISHED_TIME", "published_at", _ts),
    ("RECEIVED_TIME", "received_at", _ts),
    ("IN_REPLY_TO_ID", "in_reply_to_post_id", _plain),
    ("IS_PRIVATE", "is_private", _bool),
    ("IS_SOURCE_DELETED", "is_source_deleted", _bool),
    ("CREATED_DURING_BUSINESS_HOURS", "is_in_business_hours", _bool),
    ("POST_TAGS", "tags", _list),
    ("SENTIMENT", "sentiment", _plain),
    ("INGEST_METHOD", "ingest_method", _plain),
    ("NETWORK", "network", _plain),
    ("NETWORK_INSTANCE", "network_instance", _plain),
    *_AUTHOR,
    *_CONVERSATION,
    ("HAS_RESPONSE", "is_answered", _bool),
    ("FIRST_RESPONSE_TIME", "first_response_at", _ts),
)
RESPONSE: Shape = (
    ("RESPONDING_AGENT_NAME", "agent_name", _plain),
    ("RESPONDING_AGENT_EMAIL", "agent_email", _plain),
    ("RESPONSE_ID", "response_id", _plain),
    ("RESPONDING_AGENT_ID", "agent_number", _plain),
    ("RESPONDING_TEAM_NAME", "team_name", _plain),
    ("RESPONSE_TIME", "sent_at", _ts),
    ("RESPONSE_TEXT", "body", _plain),
    ("RESPONSE_URL", "url", _plain),
    ("RESPONSE_STATUS", "delivery", _plain),
    ("IN_REPLY_TO_POST_ID", "in_reply_to_post_id", _plain),
    ("IN_REPLY_TO_RECEIVED_TIME", "in_reply_to_received_at", _ts),
    ("TIME_TO_RESPOND", "time_to_respond_seconds", _dur),
    ("IS_FIRST_RESPONSE", "is_first_response", _bool),
    ("IS_PRIVATE", "is_private", _bool),
    ("SENT_DURING_BUSINESS_HOURS", "is_in_business_hours", _bool),
    ("NETWORK", "network", _plain),
    *_AUTHOR,
    *_CONVERSATION,
    ("CONVERSATION_TAGS", "conversation_tags", _list),
)
COMBINED: Shape = (
    ("DOCUMENT_DIRECTION", "direction", _plain),
    *INCOMING_POST,
    *(
        (name, _OF_RESPONSES.get(source, source), shown)
        for name, source, shown in RESPONSE
        if name not in {each for each, _, _ in INCOMING_POST}
    ),
)
AUTHOR: Shape = (
    ("AUTHOR_ID", "author_id", _plain),
    ("AUTHOR_DISPLAY_ID", "author_number", _plain),
    ("PERSON_ID", "person_id", _plain),
    ("AUTHOR_NAME", "author_name", _plain),
    ("AUTHOR_SCREEN_NAME", "screen_name", _plain),
    ("NETWORK", "network", _plain),
    ("NETWORK_INSTANCE", "network_instance", _plain),
    ("NETWORK_AUTHOR_ID", "network_author_id", _plain),
    ("PROFILE_URL", "profile_url", _plain),
    ("AUTHOR_TAGS", "tags", _list),
    ("AUTHOR_NOTES_COUNT", "notes_count", _plain),
    ("FIRST_POST_TIME", "first_post_at", _ts),
    ("LAST_POST_TIME", "last_post_at", _ts),
    ("TOTAL_POSTS", "posts_count", _plain),
    ("TOTAL_CONVERSATIONS", "conversations_count", _plain),
    ("TOTAL_RESPONSES_RECEIVED", "responses_count", _plain),
)
BRAND_POST: Shape = (
    ("POST_ID", "brand_post_id", _plain),
    ("POST_URL", "url", _plain),
    ("POST_TEXT", "body", _plain),
    ("POST_TYPE", "form", _plain),
    ("NETWORK", "network", _plain),
    ("ACCOUNT_NAME", "account_name", _plain),
    ("CAMPAIGN_ID", "campaign_id", _plain),
    ("CAMPAIGN_NAME", "campaign_name", _plain),
    ("POST_TAGS", "tags", _list),
    ("AUTHORING_AGENT_ID", "agent_number", _plain),
    ("AUTHORING_AGENT_NAME", "agent_name", _plain),
    ("AUTHORING_AGENT_EMAIL", "agent_email", _plain),
    ("APPROVING_AGENT_NAME", "approving_agent_name", _plain),
    ("CREATED_TIME", "created_at", _ts),
    ("SCHEDULED_TIME", "scheduled_at", _ts),
    ("PUBLISHED_TIME", "published_at", _ts),
    ("POST_STATUS", "status", _plain),
    ("LIKES", "likes", _plain),
    ("COMMENTS", "comments", _plain),
    ("SHARES", "shares", _plain),
    ("CLICKS", "clicks", _plain),
    ("IMPRESSIONS", "impressions", _plain),
    ("REACH", "reach", _plain),
)


def entries(shape: Shape, rows: list[Row], *, zone_name: str) -> list[Row]:
    """The rows as objects of a JSON file."""
    return [{key: shown(row[source], zone_name) for key, source, shown in shape} for row in rows]
