"""Oracles of the reports about agents and teams: Khoros contract 3.8 and 3.11 to 3.13."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from offtake.model.layout import DEFAULT_PATTERN
from offtake.model.request import ReportParameters
from offtake.model.timespan import Timespan
from tests.property.oracles.agent_filters import agent_parameters, chosen_agents, chosen_teams, tenants_with_work
from tests.property.oracles.conversation_filters import is_open
from tests.property.oracles.elapsed import SECOND, seconds_rounded_down
from tests.property.oracles.file_checks import khoros_entries
from tests.property.oracles.khoros_values import duration, flag, iso_time, listed, text
from tests.property.oracles.lookups import by_id
from tests.property.oracles.report_oracle import ExportCase, ReportOracle
from tests.property.oracles.shapes import Shape
from tests.strategies import Care, Row, zone


class People:
    """A tenant's agents, teams and memberships, by the ids that files show."""

    def __init__(self, care: Care) -> None:
        self.agents = by_id(care, "agent")
        self._teams = by_id(care, "team")
        self._members = {(row["agent_id"], row["team_id"]) for row in care.rows["team_member"]}
        self._members |= {
            (row["agent_id"], row["team_id"]) for row in self.agents.values() if row["team_id"] is not None
        }

    def shown(self, agent_id: str) -> str:
        """The agent's number as text, the id where there is none."""
        return _number(self.agents.get(agent_id, {}), agent_id)

    def teams(self, agent_id: str) -> list[tuple[str, str]]:
        """Name and shown id of each of the agent's teams, in the order of the names."""
        held = [team for agent, team in self._members if agent == agent_id]
        found = [(self._teams.get(team, {"name": team})["name"], team) for team in held]
        return [(name, _number(self._teams.get(team, {}), team)) for name, team in sorted(found)]

    def team_names(self, agent_id: str) -> list[str] | None:
        """None rather than an empty list."""
        return [name for name, _ in self.teams(agent_id)] or None

    def in_teams(self, agent_id: str, wanted: tuple[str, ...] | None) -> bool:
        """Whether the filter by teams keeps the agent."""
        return wanted is None or any(team in wanted for _, team in self.teams(agent_id))

    def pass_filters(self, agent_id: str, parameters: ReportParameters) -> bool:
        """Whether the filters by teams and by enabled agents keep an agent of the lake."""
        enabled = self.agents[agent_id]["is_active"] or parameters.include_disabled
        return enabled and self.in_teams(agent_id, parameters.team_ids)


def _number(row: Row, otherwise: str) -> str:
    return otherwise if row.get("number") is None else str(row["number"])


def _known_end(stay: Row, as_of: datetime) -> datetime:
    """The end of a state; an open state lasts until the request was accepted, or for no time if it begins later."""
    end: datetime = stay["ended_at"] or max(stay["started_at"], as_of)
    return end


def raw_agent_states(case: ExportCase) -> list[Row]:
    """One row per state that shares an instant with the timespan."""
    care, timespan, as_of = case.care, case.timespan, case.as_of
    people = People(care)
    rows = []
    for agent_id in {stay["agent_id"] for stay in care.rows["agent_state"]}:
        if not people.in_teams(agent_id, case.parameters.team_ids):
            continue
        previous: str | None = None
        mine = [stay for stay in care.rows["agent_state"] if stay["agent_id"] == agent_id]
        for stay in sorted(mine, key=lambda one: one["started_at"]):
            start, end = stay["started_at"], _known_end(stay, as_of)
            first, last = max(start, timespan.start), min(end, timespan.end)
            if first < last or (start == end and timespan.start <= start < timespan.end):
                agent = people.agents.get(agent_id, {})
                rows.append(
                    {
                        "agent_name": agent.get("name"),
                        "agent_email": agent.get("email"),
                        "agent_id": people.shown(agent_id),
                        "team_names": people.team_names(agent_id),
                        "state_id": stay["state_id"],
                        "state": stay["state"],
                        "state_type": {"available": "AVAILABLE", "offline": "OFFLINE"}.get(stay["kind"], "CUSTOM"),
                        "started_at": start,
                        "ended_at": stay["ended_at"],
                        "state_seconds": seconds_rounded_down(first, last),
                        "changed_by": stay["changed_by"],
                        "previous_state": previous,
                    }
                )
            previous = stay["state"]
    return rows


def user(case: ExportCase) -> list[Row]:
    """One row per agent whom the filters keep."""
    care, timespan, as_of, parameters = case.care, case.timespan, case.as_of, case.parameters
    people = People(care)
    rows = []
    for agent in care.rows["agent"]:
        agent_id = agent["agent_id"]
        if not people.pass_filters(agent_id, parameters):
            continue
        if parameters.agent_ids is not None and people.shown(agent_id) not in parameters.agent_ids:
            continue
        mine = [stay for stay in care.rows["agent_state"] if stay["agent_id"] == agent_id]
        row = {
            "agent_id": people.shown(agent_id),
            "agent_name": agent["name"],
            "agent_email": agent["email"],
            "internal_agent_id": agent_id,
            "team_ids": [number for _, number in people.teams(agent_id)] or None,
            "team_names": people.team_names(agent_id),
            "is_enabled": agent["is_active"],
            "current_state": _current_state(mine, as_of),
        }
        as_they_are = ("sso_id", "given_name", "family_name", "role", "created_at", "last_login_at", "language")
        row |= {name: agent[name] for name in (*as_they_are, "time_zone")}
        for name, spent in total_times(mine, timespan.start, timespan.end, as_of).items():
            row[f"{name}_seconds"] = spent // SECOND
            row[f"{name}_milliseconds"] = spent // timedelta(milliseconds=1)
        rows.append(row)
    return rows


def total_times(stays: list[Row], start: datetime, end: datetime, as_of: datetime) -> dict[str, timedelta]:
    """The five times of an agent between two instants."""
    colours = {"available": "green", "away": "yellow", None: "yellow", "busy": "red"}
    total = dict.fromkeys(("logged_in", "green", "yellow", "red", "mobile"), timedelta())
    for stay in stays:
        first, last = max(stay["started_at"], start), min(_known_end(stay, as_of), end)
        spent = max(last - first, timedelta())
        if stay["kind"] != "offline":
            total["logged_in"] += spent
            total[colours[stay["kind"]]] += spent
        if stay["is_mobile"]:
            total["mobile"] += spent
    return total


def _current_state(stays: list[Row], as_of: datetime) -> str | None:
    """The label of the newest state that the agent is in at that instant."""
    for stay in sorted(stays, key=lambda one: one["started_at"], reverse=True):
        if stay["started_at"] <= as_of and (stay["ended_at"] is None or as_of < stay["ended_at"]):
            return str(stay["state"])
    return None


def _conversation(case: ExportCase, conversation_id: str) -> Row | None:
    """The conversation, if the lake has it."""
    for row in case.care.rows["conversation"]:
        if row["conversation_id"] == conversation_id:
            return row
    return None


def _keeps(case: ExportCase, fact: Row) -> bool:
    """Whether the filters about conversations keep a post or an action."""
    conversation = _conversation(case, fact["conversation_id"]) or {}
    wanted, hours = case.parameters, case.parameters.business_hours
    if wanted.priorities is not None and str(conversation.get("priority")) not in wanted.priorities:
        return False
    if wanted.queue_ids is not None and _queue_number(case.care, conversation) not in wanted.queue_ids:
        return False
    if wanted.smart_view_id is not None:
        views = [row for row in case.care.rows["smart_view"] if row["smart_view_id"] == wanted.smart_view_id]
        if not conversation or not views or not _in_view(conversation, views[0]["expression"]):
            return False
        hours = views[0]["business_hours"] or hours
    return hours is None or is_open(case.care, fact["happened_at"]) == (hours == "inside")


def _queue_number(care: Care, conversation: Row) -> str | None:
    """The queue as files and filters name it: its number, or its id if it has no number or is not in the lake."""
    for queue in care.rows["queue"]:
        if queue["queue_id"] == conversation.get("queue_id") and queue["number"] is not None:
            return str(queue["number"])
    return conversation.get("queue_id")


def _in_view(conversation: Row, expression: str) -> bool:
    """The meaning of the expressions that ``agent_filters`` draws."""
    field, operator, value = expression.split(" ")
    if operator == ">=":
        return conversation[field] is not None and conversation[field] >= int(value)
    return bool(conversation[field] == value.strip('"'))


def team_performance(case: ExportCase) -> list[Row]:
    """One row per agent."""
    return [row for row, _ in _performances(case, [(case.timespan.start, case.timespan.end)])]


def team_performance_interval(case: ExportCase) -> list[Row]:
    """One row per agent and bucket."""
    rows = _performances(case, buckets(case.timespan, case.parameters.interval_milliseconds))
    return [{"interval_started_at": start, "interval_ended_at": end, **row} for row, (start, end) in rows]


def buckets(timespan: Timespan, milliseconds: int) -> list[tuple[datetime, datetime]]:
    """The buckets of Khoros contract 5.4."""
    cuts = [timespan.start]
    day, week = 86_400_000, 604_800_000
    if milliseconds < week and milliseconds != day:
        while cuts[-1] + timedelta(milliseconds=milliseconds) < timespan.end:
            cuts.append(cuts[-1] + timedelta(milliseconds=milliseconds))
    else:
        date = timespan.start.astimezone(zone(timespan.zone)).date()
        while (midnight := datetime(date.year, date.month, date.day, tzinfo=zone(timespan.zone))) < timespan.end:
            begins = milliseconds == day or (date.isoweekday() == 1 if milliseconds == week else date.day == 1)
            if begins and midnight.astimezone(UTC) > timespan.start:
                cuts.append(midnight.astimezone(UTC))
            date += timedelta(days=1)
    return list(zip(cuts, [*cuts[1:], timespan.end], strict=True))


def _performances(
    case: ExportCase, cuts: list[tuple[datetime, datetime]]
) -> list[tuple[Row, tuple[datetime, datetime]]]:
    people, care, whole = People(case.care), case.care, (case.timespan.start, case.timespan.end)
    facts = {
        "posts": [row for row in care.rows["post"] if _is_sent(row) and _keeps(case, row)],
        "actions": [row for row in care.rows["conversation_action"] if _keeps(case, row)],
    }
    worked = {row["agent_id"] for rows in facts.values() for row in rows if whole[0] <= row["happened_at"] < whole[1]}
    for stay in care.rows["agent_state"]:
        if max(stay["started_at"], whole[0]) < min(_known_end(stay, case.as_of), whole[1]):
            worked.add(stay["agent_id"])
    rows = []
    for agent_id in {*people.agents, *worked} - {None}:
        if agent_id in people.agents and not people.pass_filters(agent_id, case.parameters):
            continue
        if not people.in_teams(agent_id, case.parameters.team_ids):
            continue
        agent = people.agents.get(agent_id, {})
        person = {
            "agent_id": people.shown(agent_id),
            "agent_name": agent.get("name"),
            "agent_email": agent.get("email"),
            "team_names": people.team_names(agent_id),
        }
        for cut in cuts:
            posts = [
                row for row in facts["posts"] if row["agent_id"] == agent_id and cut[0] <= row["happened_at"] < cut[1]
            ]
            actions = [
                row for row in facts["actions"] if row["agent_id"] == agent_id and cut[0] <= row["happened_at"] < cut[1]
            ]
            stays = [stay for stay in care.rows["agent_state"] if stay["agent_id"] == agent_id]
            total = total_times(stays, *cut, case.as_of)
            columns = person | _answering(case, posts) | _acting(case, actions)
            columns["responses_per_hour"] = _per_hour(len(posts), total["logged_in"])
            rows.append((columns | {f"{name}_seconds": spent // SECOND for name, spent in total.items()}, cut))
    return rows


def _is_sent(post: Row) -> bool:
    return bool(post["kind"] == "response" and post["delivery"] != "failed")


def _answering(case: ExportCase, responses: list[Row]) -> Row:
    posts = [row for row in case.care.rows["post"] if row["happened_at"] < case.timespan.end]
    waits, first_waits = [], []
    for response in responses:
        for post in posts:
            is_asked = post["post_id"] == response["in_reply_to_post_id"] and post["kind"] == "incoming"
            if is_asked and post["happened_at"] <= response["happened_at"]:
                waits.append(response["happened_at"] - post["happened_at"])
        others = [post for post in posts if _is_sent(post) and post["conversation_id"] == response["conversation_id"]]
        conversation = _conversation(case, response["conversation_id"])
        position = (response["happened_at"], response["post_id"])
        is_first = all(position <= (post["happened_at"], post["post_id"]) for post in others)
        if is_first and conversation is not None and conversation["direction"] == "inbound":
            first_waits.append(max(response["happened_at"] - conversation["created_at"], timedelta()))
    return {
        "responses": len(responses),
        "conversations_responded": len({row["conversation_id"] for row in responses}),
        "average_time_to_first_response_seconds": _mean(first_waits),
        "average_time_to_respond_seconds": _mean(waits),
    }


def _acting(case: ExportCase, actions: list[Row]) -> Row:
    by_kind = {
        kind: {row["conversation_id"] for row in actions if row["kind"] == kind}
        for kind in ("CLAIMED", "CLOSED", "REOPENED")
    }
    handled, closed = [], []
    for conversation_id in by_kind["CLOSED"]:
        conversation = _conversation(case, conversation_id)
        if conversation is None:
            continue
        own = [row for row in actions if (row["conversation_id"], row["kind"]) == (conversation_id, "CLOSED")]
        last = max(row["happened_at"] for row in own)
        closed.append(max(last - conversation["created_at"], timedelta()))
        if conversation["handle_milliseconds"] is not None:
            handled.append(conversation["handle_milliseconds"])
    return {
        "conversations_claimed": len(by_kind["CLAIMED"]),
        "conversations_closed": len(by_kind["CLOSED"]),
        "conversations_reopened": len(by_kind["REOPENED"]),
        "notes": sum(row["kind"] == "NOTE_ADDED" for row in actions),
        "actions": len(actions),
        "average_handle_seconds": _nearest(Fraction(sum(handled), 1000 * len(handled))) if handled else None,
        "average_time_to_close_seconds": _mean(closed),
    }


def _mean(spans: list[timedelta]) -> int | None:
    microseconds = sum(spans, timedelta()) // timedelta(microseconds=1)
    return _nearest(Fraction(microseconds, 1_000_000 * len(spans))) if spans else None


def _nearest(exact: Fraction) -> int:
    """The nearest whole number, a half upwards."""
    return math.floor(exact + Fraction(1, 2))


def _per_hour(responses: int, logged_in: timedelta) -> float | None:
    """Rounded to hundredths, a half upwards."""
    if not logged_in:
        return None
    exact = Fraction(responses * 3600 * 1_000_000, logged_in // timedelta(microseconds=1))
    return _nearest(exact * 100) / 100


@st.composite
def state_requests(draw: DrawFn, care: Care, timespan: Timespan) -> Sequence[ReportParameters]:
    """A filter by teams, or none."""
    return [ReportParameters(team_ids=draw(chosen_teams(care)))]


@st.composite
def user_requests(draw: DrawFn, care: Care, timespan: Timespan) -> Sequence[ReportParameters]:
    """Filters by agents, teams and disabled agents."""
    return [
        ReportParameters(
            agent_ids=draw(chosen_agents(care)),
            team_ids=draw(chosen_teams(care)),
            include_disabled=draw(st.booleans()),
        )
    ]


@st.composite
def performance_requests(draw: DrawFn, care: Care, timespan: Timespan) -> Sequence[ReportParameters]:
    """Filters about conversations and agents."""
    return [ReportParameters(**draw(agent_parameters(care)))]


_HOUR = 3_600_000
_INTERVALS = (_HOUR // 12, _HOUR // 6, _HOUR // 4, _HOUR // 2, *(hours * _HOUR for hours in (1, 2, 4, 8, 12, 24, 168)))
_MONTHS = 168 * _HOUR + 1


@st.composite
def interval_requests(draw: DrawFn, care: Care, timespan: Timespan) -> Sequence[ReportParameters]:
    """Filters, and an interval that makes fewer than 150 buckets; those of the calendar are drawn often."""
    length = timespan.end - timespan.start
    fitting = [each for each in _INTERVALS if length / timedelta(milliseconds=each) < 150]
    interval = draw(st.sampled_from([*fitting, *fitting[-2:], _MONTHS]))
    return [ReportParameters(interval_milliseconds=interval, **draw(agent_parameters(care)))]


RAW_AGENT_STATES: Shape = (
    ("AGENT_NAME", "agent_name", text),
    ("AGENT_EMAIL", "agent_email", text),
    ("AGENT_ID", "agent_id", text),
    ("TEAM_NAME", "team_names", listed),
    ("AGENT_STATE_ID", "state_id", text),
    ("AGENT_STATE_NAME", "state", text),
    ("AGENT_STATE_TYPE", "state_type", text),
    ("STATE_START_TIME", "started_at", iso_time),
    ("STATE_END_TIME", "ended_at", iso_time),
    ("STATE_DURATION", "state_seconds", duration),
    ("CHANGED_BY", "changed_by", text),
    ("PREVIOUS_STATE_NAME", "previous_state", text),
)

TOTAL_TIMES: Shape = (
    ("TOTAL_CONSOLE_LOGGED_IN_TIME", "logged_in_seconds", duration),
    ("TOTAL_GREEN_STATE_TIME", "green_seconds", duration),
    ("TOTAL_YELLOW_STATE_TIME", "yellow_seconds", duration),
    ("TOTAL_RED_STATE_TIME", "red_seconds", duration),
    ("TOTAL_MOBILE_TIME", "mobile_seconds", duration),
)
MILLIS: Shape = (
    ("TOTAL_CONSOLE_LOGGED_IN_TIME_MILLIS", "logged_in_milliseconds", text),
    ("TOTAL_GREEN_STATE_TIME_MILLIS", "green_milliseconds", text),
    ("TOTAL_YELLOW_STATE_TIME_MILLIS", "yellow_milliseconds", text),
    ("TOTAL_RED_STATE_TIME_MILLIS", "red_milliseconds", text),
    ("TOTAL_MOBILE_TIME_MILLIS", "mobile_milliseconds", text),
)
USER_IN_CSV: Shape = (
    ("AGENT_ID", "agent_id", text),
    ("AGENT_NAME", "agent_name", text),
    ("AGENT_EMAIL", "agent_email", text),
    *TOTAL_TIMES,
    ("USER_UUID", "internal_agent_id", text),
    ("SSO_ID", "sso_id", text),
    ("FIRST_NAME", "given_name", text),
    ("LAST_NAME", "family_name", text),
    ("ROLE", "role", text),
    ("TEAM_ID", "team_ids", listed),
    ("TEAM_NAME", "team_names", listed),
    ("IS_ENABLED", "is_enabled", flag),
    ("CREATED_TIME", "created_at", iso_time),
    ("LAST_LOGIN_TIME", "last_login_at", iso_time),
    ("CURRENT_STATE_NAME", "current_state", text),
    ("LANGUAGE", "language", text),
    ("TIMEZONE", "time_zone", text),
)
USER: Shape = (*USER_IN_CSV, *MILLIS)

TEAM_PERFORMANCE: Shape = (
    ("AGENT_ID", "agent_id", text),
    ("AGENT_NAME", "agent_name", text),
    ("AGENT_EMAIL", "agent_email", text),
    ("TEAM_NAME", "team_names", listed),
    ("TOTAL_RESPONSES", "responses", text),
    ("TOTAL_CONVERSATIONS_RESPONDED", "conversations_responded", text),
    ("TOTAL_CONVERSATIONS_CLAIMED", "conversations_claimed", text),
    ("TOTAL_CONVERSATIONS_CLOSED", "conversations_closed", text),
    ("TOTAL_CONVERSATIONS_REOPENED", "conversations_reopened", text),
    ("TOTAL_NOTES", "notes", text),
    ("TOTAL_ACTIONS", "actions", text),
    ("AVERAGE_TIME_TO_FIRST_RESPONSE", "average_time_to_first_response_seconds", duration),
    ("AVERAGE_TIME_TO_RESPOND", "average_time_to_respond_seconds", duration),
    ("AVERAGE_HANDLE_TIME", "average_handle_seconds", duration),
    ("AVERAGE_TIME_TO_CLOSE", "average_time_to_close_seconds", duration),
    ("RESPONSES_PER_HOUR", "responses_per_hour", text),
    *TOTAL_TIMES,
)
TEAM_PERFORMANCE_INTERVAL: Shape = (
    ("INTERVAL_START_TIME", "interval_started_at", iso_time),
    ("INTERVAL_END_TIME", "interval_ended_at", iso_time),
    *TEAM_PERFORMANCE,
)

ORACLES = (
    ReportOracle(
        report="raw_agent_states",
        dialect="khoros",
        tables=("agent_state", "team_member"),
        expected_rows=raw_agent_states,
        check_file=khoros_entries(RAW_AGENT_STATES, instant_pattern=DEFAULT_PATTERN),
        requests=state_requests,
    ),
    ReportOracle(
        report="user",
        dialect="khoros",
        tables=("agent_state", "team_member"),
        expected_rows=user,
        check_file=khoros_entries(USER, csv_shape=USER_IN_CSV, instant_pattern=DEFAULT_PATTERN),
        requests=user_requests,
    ),
    ReportOracle(
        report="team_performance",
        dialect="khoros",
        tables=("conversation", "agent_state", "team_member"),
        expected_rows=team_performance,
        check_file=khoros_entries(TEAM_PERFORMANCE, instant_pattern=DEFAULT_PATTERN),
        tenants=tenants_with_work,
        requests=performance_requests,
    ),
    ReportOracle(
        report="team_performance_interval",
        dialect="khoros",
        tables=("conversation", "agent_state", "team_member"),
        expected_rows=team_performance_interval,
        check_file=khoros_entries(TEAM_PERFORMANCE_INTERVAL, instant_pattern=DEFAULT_PATTERN),
        tenants=tenants_with_work,
        requests=interval_requests,
    ),
)
