"""What `calls` and `user_status` must yield, worked out row by row in plain Python.

Written from Talkdesk contract 5, 6.1 and 6.5, the data model and the meanings of the columns,
without a look at the reports' SQL, so that a mistake in one of the two shows as a difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from offtake.model.timespan import Timespan
from tests.property.elapsed import seconds_rounded_down
from tests.property.lookups import by_id, named, names
from tests.property.shapes import Shape
from tests.property.talkdesk_values import (
    joined_by_plus,
    joined_by_plus_or_empty,
    local_time,
    or_empty,
    same,
    utc_time,
    utc_time_or_empty,
    yes_no,
)
from tests.strategies import Care, Row, zone


def calls(care: Care, timespan: Timespan) -> list[Row]:
    """One row per call that ended in the timespan."""
    agents, teams, queues = by_id(care, "agent"), by_id(care, "team"), names(care, "queue")
    rows = []
    for call in care.rows["call"]:
        if not timespan.start <= call["ended_at"] < timespan.end:
            continue
        agent = agents.get(call["agent_id"], {})
        handling_agent = agents.get(call["handling_agent_id"], {})
        row = {name: value for name, value in call.items() if name not in ("queue_ids", "is_damaged")}
        row["agent_name"] = agent.get("name")
        row["agent_email"] = agent.get("email")
        row["handling_agent_name"] = handling_agent.get("name")
        row["handling_agent_email"] = handling_agent.get("email")
        row["team_name"] = teams.get(call["team_id"], {}).get("name")
        row["queue_names"] = named(call["queue_ids"], queues)
        row["data_status"] = "Damaged" if call["is_damaged"] else "Valid"
        rows.append(row)
    return rows


def user_status(care: Care, timespan: Timespan, as_of: datetime) -> list[Row]:
    """One row per piece of a stay that ended in the timespan; stays are cut where the account's month changes."""
    agents, teams, queues = by_id(care, "agent"), by_id(care, "team"), names(care, "queue")
    rows = []
    for stay in care.rows["agent_state"]:
        agent = agents.get(stay["agent_id"])
        for start, end in _pieces(stay["started_at"], stay["ended_at"], as_of=as_of, name=care.zone):
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


LEGACY = ("mood", "is_mood_prompted")
CALLS: Shape = (
    ("call_id", "call_id", same),
    ("callsid", "carrier_call_id", same),
    ("type", "kind", same),
    ("start_at", "started_at", utc_time),
    ("end_at", "ended_at", utc_time),
    ("talkdesk_phone_number", "company_number", same),
    ("talkdesk_phone_display_name", "company_number_label", same),
    ("contact_phone_number", "customer_number", same),
    ("user_id", "agent_id", same),
    ("user_name", "agent_name", same),
    ("user_email", "agent_email", same),
    ("total_time", "total_seconds", same),
    ("talk_time", "talk_seconds", same),
    ("wait_time", "wait_seconds", same),
    ("hold_time", "hold_seconds", same),
    ("abandon_time", "abandon_seconds", same),
    ("total_ringing_time", "ringing_seconds", same),
    ("disposition_code", "disposition_code", same),
    ("notes", "notes", same),
    ("user_voice_rating", "voice_rating", same),
    ("ring_groups", "queue_names", joined_by_plus_or_empty),
    ("ivr_options", "ivr_options", or_empty),
    ("is_in_business_hours", "is_in_business_hours", same),
    ("is_callback_from_queue", "is_queue_callback", same),
    ("is_transfer", "is_transfer", same),
    ("handling_user_id", "handling_agent_id", same),
    ("handling_user_name", "handling_agent_name", same),
    ("handling_user_email", "handling_agent_email", same),
    ("recording_url", "recording_url", same),
    ("is_external_transfer", "is_external_transfer", same),
    ("is_if_no_answer", "is_no_answer_rule", same),
    ("is_call_forwarding", "is_forwarded", same),
    ("csat_score", "csat_score", same),
    ("csat_survey_time", "csat_answered_at", utc_time_or_empty),
    ("team_id", "team_id", same),
    ("team_name", "team_name", same),
    ("rating_reason", "rating_reason", or_empty),
    ("agent_disconnected", "agent_disconnected", yes_no),
    ("data_status", "data_status", same),
    ("int_custom_field_n1", "integer_custom_1", same),
    ("int_custom_field_n2", "integer_custom_2", same),
    ("float_custom_field_n1", "decimal_custom_1", same),
    ("float_custom_field_n2", "decimal_custom_2", same),
    ("text_custom_field_n1", "text_custom_1", same),
    ("text_custom_field_n2", "text_custom_2", same),
    ("text_custom_field_n3", "text_custom_3", same),
    ("text_custom_field_n4", "text_custom_4", same),
    ("timestamp_custom_field_n1", "instant_custom_1", local_time),
    ("disposition_set", "disposition_set", same),
    ("nested_disposition", "nested_disposition", same),
    ("mood", "mood", same),
    ("is_mood_prompted", "is_mood_prompted", same),
)
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
