"""Oracles of the reports about posts and their authors: Khoros contract 3.4 to 3.7, 3.14 and 5."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hypothesis.strategies import SearchStrategy

from offtake.model.request import ReportParameters
from offtake.model.timespan import Timespan
from tests.property.oracles.conversation_filters import (
    filtered_requests,
    fits_the_hours,
    is_about,
    is_open,
    perhaps_some,
)
from tests.property.oracles.elapsed import seconds_rounded_down
from tests.property.oracles.file_checks import khoros_entries
from tests.property.oracles.khoros_values import duration, english_time, flag, listed, text
from tests.property.oracles.lookups import find, shown_id
from tests.property.oracles.report_oracle import ExportCase, ReportOracle
from tests.property.oracles.shapes import Shape
from tests.property.oracles.threads import threads_and_accounts
from tests.strategies import Care, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class _Posts:
    """The posts that a request is about; none from the end of its timespan on counts."""

    case: ExportCase

    @property
    def care(self) -> Care:
        return self.case.care

    @property
    def timespan(self) -> Timespan:
        return self.case.timespan

    def conversation(self, post: Row) -> Row:
        """The post's conversation, whenever it begins."""
        return find(self.care, "conversation", post["conversation_id"])

    def posts(self, kind: str) -> Iterator[Row]:
        """All posts of a kind until the end, in order of time, then of id."""
        found = [row for row in self.care.rows["post"] if row["kind"] == kind]
        for post in sorted(found, key=lambda row: (row["happened_at"], row["post_id"])):
            if post["happened_at"] < self.timespan.end:
                yield post

    def chosen(self, kind: str) -> Iterator[Row]:
        """The posts of the timespan that the filters keep."""
        wanted = self.case.parameters
        for post in self.posts(kind):
            about, at = self.conversation(post) or None, post["happened_at"]
            passes = is_about(self.care, wanted, about) and fits_the_hours(self.care, wanted, at)
            if passes and at >= self.timespan.start:
                yield post

    def answered(self, response: Row) -> Row:
        """The incoming post that a response answers, where it is known and not later than the response."""
        for post in self.posts("incoming"):
            if post["post_id"] == response["in_reply_to_post_id"]:
                return post if post["happened_at"] <= response["happened_at"] else {}
        return {}

    def other_side(self, post: Row) -> str | None:
        """The author of an incoming post; the recipient of a response."""
        if post["kind"] == "incoming":
            return _text(post["author_id"])
        writer = self.answered(post).get("author_id")
        return _text(self.conversation(post).get("author_id") if writer is None else writer)


def incoming_post(case: ExportCase) -> list[Row]:
    """One row per post received in the timespan."""
    known = _Posts(case=case)
    return [_incoming(known, post) for post in known.chosen("incoming")]


def response(case: ExportCase) -> list[Row]:
    """One row per response sent in the timespan."""
    known = _Posts(case=case)
    return [_response(known, post) for post in known.chosen("response")]


def combined(case: ExportCase) -> list[Row]:
    """Incoming posts and responses; columns of the other kind are empty."""
    known = _Posts(case=case)
    rows = []
    for post in known.chosen("incoming"):
        both, own = _incoming(known, post), dict.fromkeys(_OF_RESPONSES.values())
        rows.append({"direction": "INCOMING", **both, **own, "conversation_tags": _tags(known, post)})
    for post in known.chosen("response"):
        of_response = _response(known, post)
        both = {**_incoming(known, post), "is_answered": None, "first_response_at": None}
        own = {name: of_response[source] for source, name in _OF_RESPONSES.items()}
        rows.append({"direction": "RESPONSE", **both, **own, "conversation_tags": of_response["conversation_tags"]})
    return rows


def author(case: ExportCase) -> list[Row]:
    """One row per author of at least one incoming post."""
    known = _Posts(case=case)
    received = [known.other_side(post) for post in known.chosen("response") if post["delivery"] != "failed"]
    posts: dict[str, list[Row]] = {}
    for post in known.chosen("incoming"):
        if post["author_id"] is not None:
            posts.setdefault(post["author_id"], []).append(post)
    rows = []
    for who, written in posts.items():
        profile = find(known.care, "author", who)
        passed_on = ("person_id", "screen_name", "network", "network_instance", "network_author_id", "profile_url")
        rows.append(
            {name: profile.get(name) for name in (*passed_on, "tags", "notes_count")}
            | {
                "author_id": who,
                "author_number": profile.get("number"),
                "author_name": profile.get("name"),
                "first_post_at": written[0]["happened_at"],
                "last_post_at": written[-1]["happened_at"],
                "posts_count": len(written),
                "conversations_count": len({post["conversation_id"] for post in written}),
                "responses_count": received.count(who),
            }
        )
    return rows


def brand_post(case: ExportCase) -> list[Row]:
    """One row per post that appeared in the timespan."""
    care, timespan, campaign_ids = case.care, case.timespan, case.parameters.campaign_ids
    replaced = ("agent_id", "approving_agent_id")
    rows = []
    for post in care.rows["brand_post"]:
        if post["published_at"] is None or not timespan.start <= post["published_at"] < timespan.end:
            continue
        if campaign_ids is not None and post["campaign_id"] not in campaign_ids:
            continue
        writer, approver = (find(care, "agent", post[name]) for name in replaced)
        rows.append(
            {name: value for name, value in post.items() if name not in replaced}
            | {
                "campaign_name": find(care, "campaign", post["campaign_id"]).get("name"),
                "agent_id": shown_id(care, "agent", post["agent_id"]),
                "agent_name": writer.get("name"),
                "agent_email": writer.get("email"),
                "approving_agent_name": approver.get("name"),
            }
        )
    return rows


def _incoming(posts: _Posts, post: Row) -> Row:
    """The columns of Khoros contract 3.4, for a document that went either way."""
    responses = [row for row in posts.posts("response") if row["in_reply_to_post_id"] == post["post_id"]]
    reached = [row for row in responses if row["delivery"] != "failed" and row["happened_at"] >= post["happened_at"]]
    same = ("url", "form", "title", "body", "language", "published_at", "in_reply_to_post_id", "is_private")
    return {name: post[name] for name in (*same, "is_source_deleted", "tags", "sentiment", "ingest_method")} | {
        "post_id": post["post_id"],
        "post_number": post["number"],
        "received_at": post["happened_at"],
        "is_in_business_hours": is_open(posts.care, post["happened_at"]),
        **_surroundings(posts, post),
        "network_instance": _side(posts, post).get("network_instance"),
        "is_answered": bool(reached),
        "first_response_at": reached[0]["happened_at"] if reached else None,
    }


def _response(posts: _Posts, post: Row) -> Row:
    """The columns of Khoros contract 3.5."""
    agent, answered = find(posts.care, "agent", post["agent_id"]), posts.answered(post)
    firsts = [
        row["post_id"]
        for row in posts.posts("response")
        if row["conversation_id"] == post["conversation_id"] and row["delivery"] != "failed"
    ]
    return {
        "agent_name": agent.get("name"),
        "agent_email": agent.get("email"),
        "response_id": post["post_id"],
        "agent_id": shown_id(posts.care, "agent", post["agent_id"]),
        "team_name": find(posts.care, "team", post["team_id"]).get("name"),
        "sent_at": post["happened_at"],
        **{name: post[name] for name in ("body", "url", "delivery", "in_reply_to_post_id", "is_private")},
        "in_reply_to_received_at": answered.get("happened_at"),
        "time_to_respond_seconds": seconds_rounded_down(answered.get("happened_at"), post["happened_at"]),
        "is_first_response": firsts[:1] == [post["post_id"]],
        "is_in_business_hours": is_open(posts.care, post["happened_at"]),
        **_surroundings(posts, post),
        "conversation_tags": _tags(posts, post),
    }


def _surroundings(posts: _Posts, post: Row) -> Row:
    """The network, the account on the other side, and the conversation in its current state."""
    conversation, writer = posts.conversation(post), posts.other_side(post)
    known, queue = find(posts.care, "author", writer), find(posts.care, "queue", conversation.get("queue_id"))
    return {
        "network": _side(posts, post).get("network"),
        "author_id": writer,
        "author_number": known.get("number"),
        "author_name": known.get("name"),
        "author_screen_name": known.get("screen_name"),
        "conversation_id": post["conversation_id"],
        "conversation_number": conversation.get("number"),
        "priority": conversation.get("priority"),
        "queue_id": shown_id(posts.care, "queue", conversation.get("queue_id")),
        "queue_name": queue.get("name"),
    }


def _side(posts: _Posts, post: Row) -> Row:
    """The row that names the network of a post: the conversation if it does, else the author."""
    conversation = posts.conversation(post)
    return (
        conversation if conversation.get("network") is not None else find(posts.care, "author", posts.other_side(post))
    )


def _tags(posts: _Posts, post: Row) -> list[str] | None:
    """Names of the tags that the conversation carries just before the end, in order of name."""
    end = posts.timespan.end
    on = {
        row["tag_id"]
        for row in posts.care.rows["conversation_tag"]
        if row["conversation_id"] == post["conversation_id"]
        and row["attached_at"] < end
        and (row["detached_at"] is None or row["detached_at"] >= end)
    }
    return sorted(find(posts.care, "tag", tag).get("name", tag) for tag in on) or None


def _text(value: object) -> str | None:
    assert value is None or isinstance(value, str)
    return value


# Columns that only responses have, and their names in the combined report.
_OF_RESPONSES = {
    "agent_name": "agent_name",
    "agent_email": "agent_email",
    "response_id": "response_id",
    "agent_id": "agent_id",
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


def campaign_requests(care: Care, timespan: Timespan) -> SearchStrategy[Sequence[ReportParameters]]:
    """A filter by campaigns, or none."""
    known = [row["campaign_id"] for row in care.rows["brand_post"] if row["campaign_id"] is not None]
    return perhaps_some(["none", *known]).map(lambda chosen: [ReportParameters(campaign_ids=chosen)])


_AUTHOR: Shape = (
    ("AUTHOR_ID", "author_id", text),
    ("AUTHOR_DISPLAY_ID", "author_number", text),
    ("AUTHOR_NAME", "author_name", text),
    ("AUTHOR_SCREEN_NAME", "author_screen_name", text),
)
_CONVERSATION: Shape = (
    ("CONVERSATION_ID", "conversation_id", text),
    ("CONVERSATION_DISPLAY_ID", "conversation_number", text),
    ("PRIORITY", "priority", text),
    ("WORK_QUEUE_ID", "queue_id", text),
    ("WORK_QUEUE_NAME", "queue_name", text),
)
INCOMING_POST: Shape = (
    ("POST_ID", "post_id", text),
    ("DOCUMENT_ID", "post_number", text),
    ("POST_URL", "url", text),
    ("POST_TYPE", "form", text),
    ("POST_TITLE", "title", text),
    ("POST_TEXT", "body", text),
    ("POST_LANGUAGE", "language", text),
    ("PUBLISHED_TIME", "published_at", english_time),
    ("RECEIVED_TIME", "received_at", english_time),
    ("IN_REPLY_TO_ID", "in_reply_to_post_id", text),
    ("IS_PRIVATE", "is_private", flag),
    ("IS_SOURCE_DELETED", "is_source_deleted", flag),
    ("CREATED_DURING_BUSINESS_HOURS", "is_in_business_hours", flag),
    ("POST_TAGS", "tags", listed),
    ("SENTIMENT", "sentiment", text),
    ("INGEST_METHOD", "ingest_method", text),
    ("NETWORK", "network", text),
    ("NETWORK_INSTANCE", "network_instance", text),
    *_AUTHOR,
    *_CONVERSATION,
    ("HAS_RESPONSE", "is_answered", flag),
    ("FIRST_RESPONSE_TIME", "first_response_at", english_time),
)
RESPONSE: Shape = (
    ("RESPONDING_AGENT_NAME", "agent_name", text),
    ("RESPONDING_AGENT_EMAIL", "agent_email", text),
    ("RESPONSE_ID", "response_id", text),
    ("RESPONDING_AGENT_ID", "agent_id", text),
    ("RESPONDING_TEAM_NAME", "team_name", text),
    ("RESPONSE_TIME", "sent_at", english_time),
    ("RESPONSE_TEXT", "body", text),
    ("RESPONSE_URL", "url", text),
    ("RESPONSE_STATUS", "delivery", text),
    ("IN_REPLY_TO_POST_ID", "in_reply_to_post_id", text),
    ("IN_REPLY_TO_RECEIVED_TIME", "in_reply_to_received_at", english_time),
    ("TIME_TO_RESPOND", "time_to_respond_seconds", duration),
    ("IS_FIRST_RESPONSE", "is_first_response", flag),
    ("IS_PRIVATE", "is_private", flag),
    ("SENT_DURING_BUSINESS_HOURS", "is_in_business_hours", flag),
    ("NETWORK", "network", text),
    *_AUTHOR,
    *_CONVERSATION,
    ("CONVERSATION_TAGS", "conversation_tags", listed),
)
COMBINED: Shape = (
    ("DOCUMENT_DIRECTION", "direction", text),
    *INCOMING_POST,
    *(
        (name, _OF_RESPONSES.get(source, source), shown)
        for name, source, shown in RESPONSE
        if name not in {each for each, _, _ in INCOMING_POST}
    ),
)
AUTHOR: Shape = (
    ("AUTHOR_ID", "author_id", text),
    ("AUTHOR_DISPLAY_ID", "author_number", text),
    ("PERSON_ID", "person_id", text),
    ("AUTHOR_NAME", "author_name", text),
    ("AUTHOR_SCREEN_NAME", "screen_name", text),
    ("NETWORK", "network", text),
    ("NETWORK_INSTANCE", "network_instance", text),
    ("NETWORK_AUTHOR_ID", "network_author_id", text),
    ("PROFILE_URL", "profile_url", text),
    ("AUTHOR_TAGS", "tags", listed),
    ("AUTHOR_NOTES_COUNT", "notes_count", text),
    ("FIRST_POST_TIME", "first_post_at", english_time),
    ("LAST_POST_TIME", "last_post_at", english_time),
    ("TOTAL_POSTS", "posts_count", text),
    ("TOTAL_CONVERSATIONS", "conversations_count", text),
    ("TOTAL_RESPONSES_RECEIVED", "responses_count", text),
)
BRAND_POST: Shape = (
    ("POST_ID", "brand_post_id", text),
    ("POST_URL", "url", text),
    ("POST_TEXT", "body", text),
    ("POST_TYPE", "form", text),
    ("NETWORK", "network", text),
    ("ACCOUNT_NAME", "account_name", text),
    ("CAMPAIGN_ID", "campaign_id", text),
    ("CAMPAIGN_NAME", "campaign_name", text),
    ("POST_TAGS", "tags", listed),
    ("AUTHORING_AGENT_ID", "agent_id", text),
    ("AUTHORING_AGENT_NAME", "agent_name", text),
    ("AUTHORING_AGENT_EMAIL", "agent_email", text),
    ("APPROVING_AGENT_NAME", "approving_agent_name", text),
    ("CREATED_TIME", "created_at", english_time),
    ("SCHEDULED_TIME", "scheduled_at", english_time),
    ("PUBLISHED_TIME", "published_at", english_time),
    ("POST_STATUS", "status", text),
    ("LIKES", "likes", text),
    ("COMMENTS", "comments", text),
    ("SHARES", "shares", text),
    ("CLICKS", "clicks", text),
    ("IMPRESSIONS", "impressions", text),
    ("REACH", "reach", text),
)

ORACLES = (
    ReportOracle(
        report="incoming_post",
        dialect="khoros",
        tables=("post", "conversation"),
        expected_rows=incoming_post,
        check_file=khoros_entries(INCOMING_POST),
        tenants=threads_and_accounts,
        requests=filtered_requests,
    ),
    ReportOracle(
        report="response",
        dialect="khoros",
        tables=("post", "conversation", "conversation_tag"),
        expected_rows=response,
        check_file=khoros_entries(RESPONSE),
        tenants=threads_and_accounts,
        requests=filtered_requests,
    ),
    ReportOracle(
        report="combined",
        dialect="khoros",
        tables=("post", "conversation", "conversation_tag"),
        expected_rows=combined,
        check_file=khoros_entries(COMBINED),
        tenants=threads_and_accounts,
        requests=filtered_requests,
    ),
    ReportOracle(
        report="author",
        dialect="khoros",
        tables=("post", "conversation"),
        expected_rows=author,
        check_file=khoros_entries(AUTHOR),
        tenants=threads_and_accounts,
        requests=filtered_requests,
    ),
    ReportOracle(
        report="brand_post",
        dialect="khoros",
        tables=("brand_post",),
        expected_rows=brand_post,
        check_file=khoros_entries(BRAND_POST),
        requests=campaign_requests,
    ),
)
