"""Oracle of `user_status`: Talkdesk contract 5 and 6.5."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from tests.property.oracles.elapsed import seconds_rounded_down
from tests.property.oracles.file_checks import talkdesk_file
from tests.property.oracles.lookups import by_id, named, names
from tests.property.oracles.report_oracle import ExportCase, ReportOracle
from tests.property.oracles.shapes import Shape
from tests.property.oracles.talkdesk_values import joined_by_plus, local_time, or_empty, same
from tests.strategies import Row, zone


def user_status(case: ExportCase) -> list[Row]:
    """One row per piece of a stay that ended in the timespan; stays are cut where the account's month changes."""
    care, timespan = case.care, case.timespan
    agents, teams, queues = by_id(care, "agent"), by_id(care, "team"), names(care, "queue")
    rows = []
    for stay in care.rows["agent_state"]:
        agent = agents.get(stay["agent_id"])
        for start, end in _pieces(stay["started_at"], stay["ended_at"], as_of=case.as_of, name=care.zone):
            if not timespan.start <= end < timespan.end:
                continue
            rows.append(
                {
                    "agent_id": stay["agent_id"],
                    "agent_name": agent["name"] if agent else stay["agent_id"],
                    "agent_email": agent["email"] if agent else None,
                    "state": stay["state"],
                    "started_at": start,
                    "ended_at": end,
                    "state_seconds": seconds_rounded_down(start, end),
                    "is_agent_active": bool(agent and agent["is_active"]),
                    "team_id": stay["team_id"],
                    "team_name": teams.get(stay["team_id"], {}).get("name"),
                    "queue_names": named(stay["queue_ids"], queues),
                }
            )
    return rows


def _pieces(
    start: datetime, end: datetime | None, *, as_of: datetime, name: str
) -> Iterator[tuple[datetime, datetime]]:
    """A stay cut at every start of a month inside it; of an open stay, the pieces known at ``as_of`` to be over."""
    for cut in _month_starts(after=start, name=name):
        if cut > as_of if end is None else cut >= end:
            break
        yield start, cut
        start = cut
    if end is not None:
        yield start, end


def _month_starts(*, after: datetime, name: str) -> Iterator[datetime]:
    """Local midnights of the first of each month, as instants later than ``after``; never ends."""
    local = after.astimezone(zone(name))
    year, month = local.year, local.month
    while True:
        month += 1
        if month > 12:
            year, month = year + 1, 1
        yield datetime(year, month, 1, tzinfo=zone(name)).astimezone(UTC)


USER_STATUS: Shape = (
    ("user_id", "agent_id", same),
    ("user_name", "agent_name", same),
    ("user_email", "agent_email", or_empty),
    ("status_label", "state", same),
    ("status_start_at", "started_at", local_time),
    ("status_end_at", "ended_at", local_time),
    ("status_time", "state_seconds", same),
    ("is_user_active", "is_agent_active", same),
    ("team_id", "team_id", same),
    ("team_name", "team_name", same),
    ("ring_groups", "queue_names", joined_by_plus),
)

ORACLES = (
    # States are cut at month starts, which only some examples meet: more examples than other reports.
    ReportOracle(
        report="user_status",
        tables=("agent_state",),
        expected_rows=user_status,
        check_file=talkdesk_file(USER_STATUS),
        rounds=4,
    ),
)
