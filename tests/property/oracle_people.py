"""What the reports about people must yield, worked out one row at a time in plain Python.

Written from the contract (contracts/khoros.md 3.8 and 3.11 to 3.13), the data model and the meanings of the columns,
without a look at the reports' SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from offtake.model.request import Parameters
from offtake.model.timespan import Timespan
from tests.strategies import Care, Row, zone

SECOND = timedelta(seconds=1)


class People:
    """A tenant's agents and teams, and who is in which, by the ids that files show."""

    def __init__(self, care: Care) -> None:
        self.agents = {row["agent_id"]: row for row in care.rows["agent"]}
        self._teams = {row["team_id"]: row for row in care.rows["team"]}
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
        """Whether the filter by teams lets the agent through."""
        return wanted is None or any(team in wanted for _, team in self.teams(agent_id))


def _number(row: Row, otherwise: str) -> str:
    return otherwise if row.get("number") is None else str(row["number"])


def _known_end(stay: Row, as_of: datetime) -> datetime:
    """An open stay is known to last until the export was ordered, and has begun in any case."""
    end: datetime = stay["ended_at"] or max(stay["started_at"], as_of)
    return end


def raw_agent_states(care: Care, timespan: Timespan, as_of: datetime, parameters: Parameters) -> list[Row]:
    """One row per stay that shares an instant with the timespan."""
    people = People(care)
    rows = []
    for agent_id in {stay["agent_id"] for stay in care.rows["agent_state"]}:
        if not people.in_teams(agent_id, parameters.team_ids):
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
                        "state_seconds": (last - first) // SECOND,
                        "changed_by": stay["changed_by"],
                        "previous_state": previous,
                    }
                )
            previous = stay["state"]
    return rows


# How the contract types a column (section 3.0): everything is text, and what is absent is empty.

Show = Callable[[object, str], str]
Shape = Mapping[str, tuple[str, Show]]  # name on the wire -> column of the report, how it is shown


def _text(value: object, _: str) -> str:
    return "" if value is None else str(value)


def _flag(value: object, _: str) -> str:
    return {None: "", True: "true", False: "false"}[value]  # type: ignore[index]


def _ts(value: object, name: str) -> str:
    if value is None:
        return ""
    assert isinstance(value, datetime)
    return value.astimezone(zone(name)).replace(microsecond=0, tzinfo=None).isoformat(sep=" ")


def _duration(value: object, _: str) -> str:
    if value is None:
        return ""
    assert isinstance(value, int)
    minutes, seconds = divmod(value, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}"


def _list(value: object, _: str) -> str:
    return ", ".join(value) if isinstance(value, list) else ""


RAW_AGENT_STATES: Shape = {
    "AGENT_NAME": ("agent_name", _text),
    "AGENT_EMAIL": ("agent_email", _text),
    "AGENT_ID": ("agent_id", _text),
    "TEAM_NAME": ("team_names", _list),
    "AGENT_STATE_ID": ("state_id", _text),
    "AGENT_STATE_NAME": ("state", _text),
    "AGENT_STATE_TYPE": ("state_type", _text),
    "STATE_START_TIME": ("started_at", _ts),
    "STATE_END_TIME": ("ended_at", _ts),
    "STATE_DURATION": ("state_seconds", _duration),
    "CHANGED_BY": ("changed_by", _text),
    "PREVIOUS_STATE_NAME": ("previous_state", _text),
}


def entries(shape: Shape, rows: list[Row], *, zone_name: str) -> list[dict[str, str]]:
    """The rows as objects of a JSON file."""
    return [{name: show(row[source], zone_name) for name, (source, show) in shape.items()} for row in rows]
