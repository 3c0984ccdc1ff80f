"""Oracle of `inbox_conversations`: Loop contract 10 to 12. It replays each conversation up to the end asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from offtake.model.request import ReportParameters
from offtake.model.timespan import Timespan
from tests.fixtures.row_comparison import assert_same_rows
from tests.property.exporting import Export
from tests.property.oracles.elapsed import seconds_rounded_towards_zero
from tests.property.oracles.lookups import by_id, names
from tests.property.oracles.report_oracle import ExportCase, ReportOracle
from tests.property.oracles.threads import with_threads
from tests.strategies import Care, Row, Scenario, zone

_STATES = {"open": "Open", "pending": "Open", "snoozed": "Snoozed", "closed": "Resolved"}
_SIDES = {"inbound": "Inbound", "outbound": "Outbound"}
_RESOLVING = ("CLOSED", "REOPENED")
_SNOOZING = ("SNOOZE_SET", "SNOOZE_UNSET", "SNOOZE_EXPIRED")
_GIVING, _TAKING = ("CLAIMED", "ASSIGNED"), ("UNCLAIMED", "UNASSIGNED")
_MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True, kw_only=True)
class _Replay:
    """The state of one conversation so far, and what happened to it within the timespan."""

    timespan: Timespan
    qualifies: bool = False
    resolved: Row | None = None
    is_snoozed: bool = False
    assignee_id: str | None = None
    reopened: int = 0
    received: int = 0
    sent: int = 0
    comments: int = 0
    first_asked_at: datetime | None = None
    waiting_since: datetime | None = None
    first_answer: Row | None = None
    last_message_at: datetime | None = None
    waits: list[int] = field(default_factory=list)
    active: set[str] = field(default_factory=set)
    has_status: bool = False  # a resolve, a reopen or a snooze was replayed
    has_assignee: bool = False

    def post(self, post: Row) -> None:
        at, inside = post["happened_at"], post["happened_at"] >= self.timespan.start
        if inside and post["kind"] != "incoming" and post["agent_id"] is not None:
            self.active.add(post["agent_id"])
        if post["kind"] == "comment":
            self.comments += inside
        elif post["kind"] == "incoming":
            self._message(at)
            self.received += inside
            self.first_asked_at = self.first_asked_at or at
            self.waiting_since = self.waiting_since or at
        elif post["delivery"] != "failed":
            self._message(at)
            if post["agent_id"] is not None:
                self._answered(post, inside=inside)

    def action(self, action: Row) -> None:
        kind, agent_id = action["kind"], action["agent_id"]
        if action["happened_at"] >= self.timespan.start:
            self.qualifies |= kind in _RESOLVING
            self.reopened += kind == "REOPENED"
            if agent_id is not None:
                self.active.add(agent_id)
        self.has_status |= kind in (*_RESOLVING, *_SNOOZING)
        self.has_assignee |= kind in (*_GIVING, *_TAKING)
        if kind in _RESOLVING:
            self.resolved = action if kind == "CLOSED" else None
            self.is_snoozed = False
        elif kind in _SNOOZING:
            self.is_snoozed = kind == "SNOOZE_SET"
        elif kind == "CLAIMED":
            self.assignee_id = action["new_value"] if agent_id is None else agent_id
        elif kind == "ASSIGNED":
            self.assignee_id = action["new_value"]
        elif kind in _TAKING:
            self.assignee_id = None

    def status(self, conversation: Row, later: list[Row]) -> str:
        """The status at the end: from what came before, or else from what came next, or else the current one."""
        if self.has_status:
            return "Resolved" if self.resolved else "Snoozed" if self.is_snoozed else "Open"
        for action in later:
            if action["kind"] in (*_RESOLVING, *_SNOOZING):
                return {"REOPENED": "Resolved", "SNOOZE_UNSET": "Snoozed", "SNOOZE_EXPIRED": "Snoozed"}.get(
                    action["kind"], "Open"
                )
        return _STATES[conversation["status"]]

    def assignee(self, conversation: Row, later: list[Row]) -> str | None:
        """The same for the assignee."""
        if self.has_assignee:
            return self.assignee_id
        following = [action["old_value"] for action in later if action["kind"] in (*_GIVING, *_TAKING)]
        found: str | None = following[0] if following else conversation["assigned_agent_id"]
        return found

    def _message(self, at: datetime) -> None:
        self.last_message_at = at
        self.qualifies |= at >= self.timespan.start

    def _answered(self, post: Row, *, inside: bool) -> None:
        self.sent += inside
        if self.waiting_since is not None:
            self.first_answer = self.first_answer or post
            if inside:
                self.waits.append((post["happened_at"] - self.waiting_since) // _MICROSECOND)
        self.waiting_since = None


def inbox_conversations(case: ExportCase) -> list[Row]:
    """One row per conversation of a shared inbox with a message, a resolve or a reopen in the timespan."""
    care, timespan, parameters = case.care, case.timespan, case.parameters
    inboxes = {row["inbox_id"]: row for row in care.rows["inbox"] if row["is_shared"]}
    customers = by_id(care, "customer")
    agents = by_id(care, "agent")
    rows = []
    for conversation in care.rows["conversation"]:
        inbox = inboxes.get(conversation["inbox_id"])
        history, later = _replay(care, conversation["conversation_id"], timespan)
        if inbox is None or not history.qualifies:
            continue
        customer = customers.get(conversation["customer_id"], {})
        assignee_id = history.assignee(conversation, later)
        tags = _tags(care, conversation["conversation_id"], timespan.end)
        people = history.active | ({assignee_id} & agents.keys())
        emails = sorted({agents.get(each, {"email": each})["email"] for each in people})
        if not (
            _keeps(parameters.inbox_ids, {conversation["inbox_id"]})
            and _keeps(parameters.tag_ids, set(tags))
            and _keeps(parameters.agent_emails, set(map(_folded, emails)))
            and _may_view(care, conversation["inbox_id"], parameters)
            and _keeps(parameters.customer_emails, {_folded(customer["email"])} if customer else set())
        ):
            continue
        assignee = agents.get(assignee_id, {})
        row: Row = {name: conversation[name] for name in ("conversation_id", "subject", "inbox_id", "created_at")}
        row |= {"inbox_name": inbox["name"], "direction": _SIDES[conversation["direction"]]}
        row |= {"status": history.status(conversation, later)}
        row |= {"customer_email": customer.get("email"), "customer_name": customer.get("name")}
        row |= {"assignee_email": assignee.get("email"), "assignee_name": assignee.get("name")}
        row |= {"agent_emails": emails}
        row |= {"tag_ids": list(tags), "tag_names": list(tags.values())}
        row |= {"is_sla_breached": conversation["is_sla_breached"]}
        rows.append(row | _counters_and_times(history, conversation["created_at"], agents))
    return rows


def _replay(care: Care, conversation_id: str, timespan: Timespan) -> tuple[_Replay, list[Row]]:
    """Replays posts and actions until the end in order, and returns the later actions in order.

    At one instant customers come first, then the lesser id; a resolve, a reopen, the end of a snooze, a snooze.
    """
    history = _Replay(timespan=timespan)
    rank = {"incoming": 0, "response": 1, "comment": 2, "CLOSED": 0, "REOPENED": 1, "SNOOZE_SET": 3}
    posts = [row for row in care.rows["post"] if row["conversation_id"] == conversation_id]
    for post in sorted(posts, key=lambda row: (row["happened_at"], rank[row["kind"]], row["post_id"])):
        if post["happened_at"] < timespan.end:
            history.post(post)
    actions = [row for row in care.rows["conversation_action"] if row["conversation_id"] == conversation_id]
    actions.sort(key=lambda row: (row["happened_at"], rank.get(row["kind"], 2), row["action_id"]))
    for action in actions:
        if action["happened_at"] < timespan.end:
            history.action(action)
    return history, [action for action in actions if action["happened_at"] >= timespan.end]


def _counters_and_times(history: _Replay, created_at: datetime, agents: Mapping[str | None, Row]) -> Row:
    answered, resolved = history.first_answer, history.resolved
    answered_at = answered["happened_at"] if answered else None
    resolved_at = resolved["happened_at"] if resolved else None
    return {
        "first_response_at": answered_at,
        "last_message_at": history.last_message_at or created_at,
        "resolved_at": resolved_at,
        "received_count": history.received,
        "sent_count": history.sent,
        "comment_count": history.comments,
        "reopen_count": history.reopened,
        "first_response_seconds": seconds_rounded_towards_zero(history.first_asked_at, answered_at),
        "average_seconds_per_response": _mean_seconds(history.waits),
        "resolution_seconds": seconds_rounded_towards_zero(created_at, resolved_at),
        "first_responder_email": agents.get(answered["agent_id"], {}).get("email") if answered else None,
        "resolved_by_email": agents.get(resolved["agent_id"], {}).get("email") if resolved else None,
    }


def _tags(care: Care, conversation_id: str, end: datetime) -> dict[str, str]:
    """Id and name of the tags that the conversation has at ``end``, by id."""
    known = names(care, "tag")
    on = {
        row["tag_id"]
        for row in care.rows["conversation_tag"]
        if row["conversation_id"] == conversation_id
        and row["attached_at"] < end
        and not (row["detached_at"] is not None and row["detached_at"] < end)
    }
    return {tag_id: known.get(tag_id, tag_id) for tag_id in sorted(on)}


def _keeps(wanted: Sequence[str] | None, held: set[str]) -> bool:
    return wanted is None or bool(held.intersection(wanted))


def _folded(email: str) -> str:
    return email.strip(" ").lower()


def _mean_seconds(waits: Sequence[int]) -> float | None:
    """Mean of microseconds in seconds; a half of the one decimal is rounded up."""
    if not waits:
        return None
    tenth = 100_000 * len(waits)
    whole, rest = divmod(sum(waits), tenth)
    return (whole + (2 * rest >= tenth)) / 10


def shown(rows: Sequence[Row], zone_name: str) -> list[Row]:
    """The rows under the names of Loop contract 12.2, instants with the offset of the zone."""
    return [
        {key: _shown(row[source], zone_name, empty=key == "customerId") for key, source in COLUMNS.items()}
        for row in rows
    ]


def _shown(value: object, zone_name: str, *, empty: bool) -> object:
    if isinstance(value, datetime):
        # isoformat would show seconds of an offset; no zone has any in these years.
        return value.astimezone(zone(zone_name)).replace(microsecond=0).isoformat()
    return "" if value is None and empty else value


COLUMNS: Mapping[str, str] = {
    "conversationId": "conversation_id",
    "subject": "subject",
    "teamId": "inbox_id",
    "teamName": "inbox_name",
    "status": "status",
    "direction": "direction",
    "customerId": "customer_email",
    "customerName": "customer_name",
    "assigneeId": "assignee_email",
    "assigneeName": "assignee_name",
    "teammateIds": "agent_emails",
    "tagIds": "tag_ids",
    "tagNames": "tag_names",
    "createdAt": "created_at",
    "firstResponseAt": "first_response_at",
    "lastMessageAt": "last_message_at",
    "resolvedAt": "resolved_at",
    "receivedCount": "received_count",
    "sentCount": "sent_count",
    "internalCommentCount": "comment_count",
    "reopenCount": "reopen_count",
    "firstResponseSeconds": "first_response_seconds",
    "averageResponseSeconds": "average_seconds_per_response",
    "resolutionSeconds": "resolution_seconds",
    "firstResponderId": "first_responder_email",
    "resolvedById": "resolved_by_email",
    "slaBreached": "is_sla_breached",
}


def _may_view(care: Care, inbox_id: str, parameters: ReportParameters) -> bool:
    """An active agent may view the inboxes of which it is a member and, if the account shows them, those without
    members; any other person views nothing."""
    if parameters.viewer_email is None:
        return True
    members = {row["agent_id"] for row in care.rows["inbox_member"] if row["inbox_id"] == inbox_id}
    active = [row for row in care.rows["agent"] if row["is_active"]]
    viewers = {row["agent_id"] for row in active if _folded(row["email"]) == parameters.viewer_email}
    return bool(viewers & members) or (bool(viewers) and not members and parameters.inboxes_without_members)


def check_entries(export: Export, rows: list[Row], data: st.DataObject) -> None:
    """The entries that Loop shows."""
    assert_same_rows(export.shown(), shown(rows, export.request.timespan.zone), key=export.shown_key)


_KINDS = ("CLOSED", "REOPENED", "SNOOZE_SET", "SNOOZE_EXPIRED", "CLAIMED", "ASSIGNED", "ASSIGNED", "UNASSIGNED")


def tenants_with_shared_inboxes(scenario: Scenario) -> SearchStrategy[tuple[Care, ...]]:
    """Threads of posts; most conversations lie in a shared inbox, and most actions change their state."""
    return with_threads(scenario.tenants).map(lambda cares: tuple(map(_with_shared_inbox, cares)))


def _with_shared_inbox(care: Care) -> Care:
    inboxes = care.rows["inbox"] or ({"inbox_id": "box", "name": "Box", "is_shared": True},)
    home = {"inbox_id": inboxes[0]["inbox_id"]}
    agents = care.rows["agent"]
    rows = {
        **care.rows,
        "inbox": (inboxes[0] | {"is_shared": True}, *inboxes[1:]),
        "conversation": tuple(row | (home if n % 4 else {}) for n, row in enumerate(care.rows["conversation"])),
        "conversation_action": tuple(row | _state_change(row, agents) for row in care.rows["conversation_action"]),
    }
    return dataclasses.replace(care, rows=rows)


def _state_change(action: Row, agents: Sequence[Row]) -> Row:
    """A kind that matters in place of one that does not, and an agent as the new assignee."""
    number = len(action["action_id"]) + action["happened_at"].microsecond + action["happened_at"].minute
    kinds = {"kind": _KINDS[number % len(_KINDS)]} if action["kind"] not in _KINDS else {}
    assigned = {"new_value": agents[number % len(agents)]["agent_id"]} if agents and number % 2 else {}
    return kinds | assigned


def inbox_requests(care: Care, timespan: Timespan) -> SearchStrategy[Sequence[ReportParameters]]:
    """No filter, or any of the filters by inbox, tag, agent, customer and viewer."""

    def some(values: Sequence[str]) -> SearchStrategy[tuple[str, ...] | None]:
        few = st.lists(st.sampled_from([*values, "unknown"]), min_size=1, max_size=3, unique=True).map(tuple)
        return st.none() | few

    filtered = st.builds(
        ReportParameters,
        inbox_ids=some([row["inbox_id"] for row in care.rows["inbox"]]),
        tag_ids=some([row["tag_id"] for row in care.rows["conversation_tag"]]),
        agent_emails=some(_emails(care, "agent")),
        customer_emails=some(_emails(care, "customer")),
        viewer_email=st.sampled_from([None, "unknown", *_emails(care, "agent")]),
        inboxes_without_members=st.booleans(),
    )
    return (st.just(ReportParameters()) | filtered).map(lambda parameters: [parameters])


def _emails(care: Care, table: str) -> list[str]:
    """In the form that a dialect passes on; beyond ASCII the engine and Python may differ about lower case."""
    return [row["email"].strip(" ").lower() for row in care.rows[table] if row["email"].isascii()]


ORACLES = (
    ReportOracle(
        report="inbox_conversations",
        dialect="loop",
        tables=("inbox_member", "conversation", "conversation_action", "conversation_tag", "post"),
        expected_rows=inbox_conversations,
        check_file=check_entries,
        tenants=tenants_with_shared_inboxes,
        requests=inbox_requests,
    ),
)
