"""What `contacts`, `ring_attempts` and `interaction_custom_fields` must yield, and how they are shown, in plain Python.

Written from the contract (contracts/talkdesk.md 5, 6.2, 6.3 and 6.13), the data model and the meanings of the columns,
without a look at the reports' SQL, so that a mistake in one of the two shows as a difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from offtake.model.timespan import Timespan
from tests.property.oracle import Shape, Shown
from tests.strategies import Care, Row, zone

SECOND = timedelta(seconds=1)


def contacts(care: Care, timespan: Timespan) -> list[Row]:
    """One row per contact that ended in the timespan: the fact as it is, but for what is worded or named here."""
    agents, teams, queues = _names(care, "agent"), _names(care, "team"), _names(care, "queue")
    rows = []
    for contact in care.rows["contact"]:
        if not timespan.start <= contact["ended_at"] < timespan.end:
            continue
        row = dict(contact)
        row["direction"] = {"inbound": "IN", "outbound": "OUT"}[row["direction"]]
        for worded in ("kind", "transfer_out_kind", "transfer_in_kind"):
            row[worded] = row[worded] and row[worded].replace("_", " ").title()
        row["duration_seconds"] = (contact["ended_at"] - contact["started_at"]) // SECOND
        row["queue_names"] = _listed(row.pop("queue_ids"), queues)
        row["handling_queue_names"] = _listed(row.pop("handling_queue_ids"), queues)
        row["direct_agent_names"] = _listed(contact["direct_agent_ids"], agents)
        row["direct_agent_ids"] = contact["direct_agent_ids"] or None
        row["agent_name"] = agents.get(contact["agent_id"])
        row["team_name"] = teams.get(contact["team_id"])
        row["data_status"] = "Damaged" if row.pop("is_damaged") else "Valid"
        rows.append(row)
    return rows


def ring_attempts(care: Care, timespan: Timespan) -> list[Row]:
    """One row per attempt that stopped ringing in the timespan."""
    people = {row["agent_id"]: (row["name"], row["email"]) for row in care.rows["agent"]}
    teams, queues = _names(care, "team"), _names(care, "queue")
    rows = []
    for attempt in care.rows["ring_attempt"]:
        start, end = attempt["started_at"], attempt["ended_at"]
        if not timespan.start <= end < timespan.end:
            continue
        name, email = people.get(attempt["agent_id"], (None, None))
        outcome = attempt["outcome"]
        rows.append(
            {
                **{key: attempt[key] for key in ("interaction_id", "contact_id", "batch_id", "ring_attempt_id")},
                "outcome": outcome and " ".join(word.capitalize() for word in outcome.split("_")),
                "started_at": start,
                "ended_at": end,
                "ring_seconds": None if start is None else (end - start) // SECOND,
                "agent_name": name,
                "agent_email": email,
                "team_name": teams.get(attempt["team_id"]),
                "queue_names": _listed(attempt["queue_ids"], queues),
            }
        )
    return rows


def interaction_custom_fields(care: Care, timespan: Timespan) -> list[Row]:
    """One row per call that has a field filled, and per row of the other channels, that ended in the timespan."""
    spoken = [
        {"interaction_id": call["call_id"], "contact_id": None, "channel": "VOICE", "updated_at": call["ended_at"]}
        | {key: call[key] for key in ("started_at", "ended_at")}
        | {key: value for key, value in call.items() if "_custom_" in key}
        for call in care.rows["call"]
        if any(value is not None for key, value in call.items() if "_custom_" in key)
    ]
    written = [dict(field) for field in care.rows["custom_field"] if field["channel"] != "VOICE"]
    return [row for row in spoken + written if timespan.start <= row["ended_at"] < timespan.end]


def _names(care: Care, table: str) -> Mapping[str | None, str]:
    return {row[f"{table}_id"]: row["name"] for row in care.rows[table]}


def _listed(ids: list[str] | None, names: Mapping[str | None, str]) -> list[str] | None:
    """Names in the list's order; what is not known shows its id; none at all is null."""
    return [names.get(each, each) for each in ids] if ids else None


# How the contract's tables type a column: S, I and SEC; YN; D, in the zone of the request; lists.


def _same(value: object, _: str) -> Shown:
    assert value is None or isinstance(value, str | int | float)
    return value


def _yes_no(value: object, _: str) -> Shown:
    return None if value is None else "Yes" if value else "No"


def _local(value: object, name: str) -> Shown:
    return f"{value.astimezone(zone(name)):%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else None


def _plus(value: object, _: str) -> Shown:
    return "+".join(value) if isinstance(value, list) else None


CONTACTS: Shape = (
    ("interaction_id", "interaction_id", _same),
    ("contact_id", "contact_id", _same),
    ("company_number", "company_number", _same),
    ("phone_display_name", "company_number_label", _same),
    ("contact_person_number", "customer_number", _same),
    ("external_phone_number", "forward_number", _same),
    ("direction", "direction", _same),
    ("contact_type", "kind", _same),
    ("started_at", "started_at", _local),
    ("wait_time", "wait_seconds", _same),
    ("time_to_missed", "missed_seconds", _same),
    ("abandon_time", "abandon_seconds", _same),
    ("short_abandon_time", "short_abandon_seconds", _same),
    ("time_to_voicemail", "voicemail_seconds", _same),
    ("ring_time", "ringing_seconds", _same),
    ("connect_time", "connect_seconds", _same),
    ("answered_at", "answered_at", _local),
    ("connected_at", "connected_at", _local),
    ("talk_time", "talk_seconds", _same),
    ("hard_hold_time", "hard_hold_seconds", _same),
    ("soft_hold_time", "soft_hold_seconds", _same),
    ("hold_time", "hold_seconds", _same),
    ("after_call_work_time", "after_call_seconds", _same),
    ("finished_at", "ended_at", _local),
    ("duration", "duration_seconds", _same),
    ("handle_time", "handle_seconds", _same),
    ("inside_business_hours", "is_in_business_hours", _yes_no),
    ("inside_service_level", "is_in_service_level", _yes_no),
    ("within_service_level_threshold", "is_within_threshold", _yes_no),
    ("transfer_out", "is_transferred_out", _yes_no),
    ("transfer_out_type", "transfer_out_kind", _same),
    ("transfer_in", "is_transferred_in", _yes_no),
    ("transfer_in_type", "transfer_in_kind", _same),
    ("callback", "is_callback", _yes_no),
    ("ring_groups", "queue_names", _plus),
    ("user_name", "agent_name", _same),
    ("direct_assignment_user", "direct_agent_names", _plus),
    ("team_name", "team_name", _same),
    ("user_id", "agent_id", _same),
    ("direct_assignment_ids", "direct_agent_ids", _plus),
    ("team_id", "team_id", _same),
    ("handling_ring_groups", "handling_queue_names", _plus),
    ("disconnected_by_agent", "agent_disconnected", _yes_no),
    ("last_contact", "is_last", _yes_no),
    ("data_status", "data_status", _same),
)
# The header line of the csv file as the client writes it down.
CONTACTS_HEADER = [
    "Interaction ID",
    "Contact ID",
    "Company Number",
    "Phone Display Name",
    "Contact Person Number",
    "External Phone Number (Forward)",
    "Direction",
    "Contact Type",
    "Started At",
    "Wait Time",
    "Time to Missed",
    "Abandon Time",
    "Short Abandon Time",
    "Time to Voicemail",
    "Ring Time",
    "Connect Time",
    "Answered At",
    "Connected At",
    "Talk Time",
    "Hard Hold Time",
    "Soft Hold Time",
    "Hold Time",
    "After Call Work Time",
    "Finished At",
    "Duration",
    "Handle Time",
    "Inside Business Hours (Yes / No)",
    "Inside Service Level (Yes /No)",
    "Within Service Level Threshold (Yes / No)",
    "Transfer Out (Yes/No)",
    "Transfer Out Type",
    "Transfer In (Yes / No)",
    "Transfer In Type",
    "Callback (Yes / No)",
    "Ring Groups",
    "User Name",
    "Direct Assignment User",
    "Team Name",
    "User ID",
    "Direct Assignment IDs",
    "Team ID",
    "Handling Ring Groups",
    "Disconnected By Agent",
    "Last Contact (Yes / No)",
    "Data Status (Valid / Damaged)",
]
RING_ATTEMPTS: Shape = (
    ("interaction_id", "interaction_id", _same),
    ("contact_id", "contact_id", _same),
    ("batch_ring_id", "batch_id", _same),
    ("ring_attempt_id", "ring_attempt_id", _same),
    ("attempt_type", "outcome", _same),
    ("ring_started_at_time", "started_at", _local),
    ("ring_finished_at_time", "ended_at", _local),
    ("ring_attempt_duration", "ring_seconds", _same),
    ("user_name", "agent_name", _same),
    ("user_email", "agent_email", _same),
    ("team_name", "team_name", _same),
    ("ring_groups", "queue_names", _plus),
)
INTERACTION_CUSTOM_FIELDS: Shape = (
    ("interaction_id", "interaction_id", _same),
    ("contact_id", "contact_id", _same),
    ("channel_type", "channel", _same),
    ("started_at", "started_at", _local),
    ("finished_at", "ended_at", _local),
    ("int_custom_field_n1", "integer_custom_1", _same),
    ("int_custom_field_n2", "integer_custom_2", _same),
    ("float_custom_field_n1", "decimal_custom_1", _same),
    ("float_custom_field_n2", "decimal_custom_2", _same),
    ("text_custom_field_n1", "text_custom_1", _same),
    ("text_custom_field_n2", "text_custom_2", _same),
    ("text_custom_field_n3", "text_custom_3", _same),
    ("text_custom_field_n4", "text_custom_4", _same),
    ("timestamp_custom_field_n1", "instant_custom_1", _local),
    ("updated_at", "updated_at", _local),
)
