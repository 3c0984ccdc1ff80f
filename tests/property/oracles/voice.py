"""Oracles of `contacts`, `ring_attempts`, `interaction_custom_fields`: Talkdesk contract 5, 6.2, 6.3 and 6.13."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.property.oracles.elapsed import seconds_rounded_down
from tests.property.oracles.file_checks import talkdesk_file
from tests.property.oracles.lookups import named, names
from tests.property.oracles.report_oracle import ExportCase, ReportOracle
from tests.property.oracles.shapes import Shape
from tests.property.oracles.talkdesk_values import joined_by_plus, local_time, same, yes_no
from tests.strategies import Care, Row, Scenario


def contacts(case: ExportCase) -> list[Row]:
    """One row per contact that ended in the timespan."""
    care, timespan = case.care, case.timespan
    agents, teams, queues = names(care, "agent"), names(care, "team"), names(care, "queue")
    rows = []
    for contact in care.rows["contact"]:
        if not timespan.start <= contact["ended_at"] < timespan.end:
            continue
        row = dict(contact)
        row["direction"] = {"inbound": "IN", "outbound": "OUT"}[row["direction"]]
        for worded in ("kind", "transfer_out_kind", "transfer_in_kind"):
            row[worded] = row[worded] and row[worded].replace("_", " ").title()
        row["duration_seconds"] = seconds_rounded_down(contact["started_at"], contact["ended_at"])
        row["queue_names"] = named(row.pop("queue_ids"), queues)
        row["handling_queue_names"] = named(row.pop("handling_queue_ids"), queues)
        row["direct_agent_names"] = named(contact["direct_agent_ids"], agents)
        row["direct_agent_ids"] = contact["direct_agent_ids"] or None
        row["agent_name"] = agents.get(contact["agent_id"])
        row["team_name"] = teams.get(contact["team_id"])
        row["data_status"] = "Damaged" if row.pop("is_damaged") else "Valid"
        rows.append(row)
    return rows


def ring_attempts(case: ExportCase) -> list[Row]:
    """One row per attempt that stopped ringing in the timespan."""
    care, timespan = case.care, case.timespan
    people = {row["agent_id"]: (row["name"], row["email"]) for row in care.rows["agent"]}
    teams, queues = names(care, "team"), names(care, "queue")
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
                "ring_seconds": seconds_rounded_down(start, end),
                "agent_name": name,
                "agent_email": email,
                "team_name": teams.get(attempt["team_id"]),
                "queue_names": named(attempt["queue_ids"], queues),
            }
        )
    return rows


def interaction_custom_fields(case: ExportCase) -> list[Row]:
    """One row per call with at least one custom field, and per row of other channels, that ended in the timespan."""
    care, timespan = case.care, case.timespan
    spoken = [
        {"interaction_id": call["call_id"], "contact_id": None, "channel": "VOICE", "updated_at": call["ended_at"]}
        | {key: call[key] for key in ("started_at", "ended_at")}
        | {key: value for key, value in call.items() if "_custom_" in key}
        for call in care.rows["call"]
        if any(value is not None for key, value in call.items() if "_custom_" in key)
    ]
    written = [dict(field) for field in care.rows["custom_field"] if field["channel"] != "VOICE"]
    return [row for row in spoken + written if timespan.start <= row["ended_at"] < timespan.end]


@st.composite
def tenants_with_sparse_fields(draw: DrawFn, scenario: Scenario) -> tuple[Care, ...]:
    """Some calls without any custom field, and some rows of the table of other channels that say VOICE."""
    return tuple(_with_sparse_fields(draw, care) for care in scenario.tenants)


def _with_sparse_fields(draw: DrawFn, care: Care) -> Care:
    is_emptied = st.booleans()
    calls = tuple(_without_fields(call) if draw(is_emptied) else call for call in care.rows["call"])
    channels = st.sampled_from(("VOICE", "voice", "EMAIL"))
    fields = tuple({**field, "channel": draw(channels)} for field in care.rows["custom_field"])
    return dataclasses.replace(care, rows={**care.rows, "call": calls, "custom_field": fields})


def _without_fields(call: Row) -> Row:
    return {name: None if "_custom_" in name else value for name, value in call.items()}


CONTACTS: Shape = (
    ("interaction_id", "interaction_id", same),
    ("contact_id", "contact_id", same),
    ("company_number", "company_number", same),
    ("phone_display_name", "company_number_label", same),
    ("contact_person_number", "customer_number", same),
    ("external_phone_number", "forward_number", same),
    ("direction", "direction", same),
    ("contact_type", "kind", same),
    ("started_at", "started_at", local_time),
    ("wait_time", "wait_seconds", same),
    ("time_to_missed", "missed_seconds", same),
    ("abandon_time", "abandon_seconds", same),
    ("short_abandon_time", "short_abandon_seconds", same),
    ("time_to_voicemail", "voicemail_seconds", same),
    ("ring_time", "ringing_seconds", same),
    ("connect_time", "connect_seconds", same),
    ("answered_at", "answered_at", local_time),
    ("connected_at", "connected_at", local_time),
    ("talk_time", "talk_seconds", same),
    ("hard_hold_time", "hard_hold_seconds", same),
    ("soft_hold_time", "soft_hold_seconds", same),
    ("hold_time", "hold_seconds", same),
    ("after_call_work_time", "after_call_seconds", same),
    ("finished_at", "ended_at", local_time),
    ("duration", "duration_seconds", same),
    ("handle_time", "handle_seconds", same),
    ("inside_business_hours", "is_in_business_hours", yes_no),
    ("inside_service_level", "is_in_service_level", yes_no),
    ("within_service_level_threshold", "is_within_threshold", yes_no),
    ("transfer_out", "is_transferred_out", yes_no),
    ("transfer_out_type", "transfer_out_kind", same),
    ("transfer_in", "is_transferred_in", yes_no),
    ("transfer_in_type", "transfer_in_kind", same),
    ("callback", "is_callback", yes_no),
    ("ring_groups", "queue_names", joined_by_plus),
    ("user_name", "agent_name", same),
    ("direct_assignment_user", "direct_agent_names", joined_by_plus),
    ("team_name", "team_name", same),
    ("user_id", "agent_id", same),
    ("direct_assignment_ids", "direct_agent_ids", joined_by_plus),
    ("team_id", "team_id", same),
    ("handling_ring_groups", "handling_queue_names", joined_by_plus),
    ("disconnected_by_agent", "agent_disconnected", yes_no),
    ("last_contact", "is_last", yes_no),
    ("data_status", "data_status", same),
)
# The header line of the CSV file as the contract lists it; no rule derives it from the names.
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
    ("interaction_id", "interaction_id", same),
    ("contact_id", "contact_id", same),
    ("batch_ring_id", "batch_id", same),
    ("ring_attempt_id", "ring_attempt_id", same),
    ("attempt_type", "outcome", same),
    ("ring_started_at_time", "started_at", local_time),
    ("ring_finished_at_time", "ended_at", local_time),
    ("ring_attempt_duration", "ring_seconds", same),
    ("user_name", "agent_name", same),
    ("user_email", "agent_email", same),
    ("team_name", "team_name", same),
    ("ring_groups", "queue_names", joined_by_plus),
)
INTERACTION_CUSTOM_FIELDS: Shape = (
    ("interaction_id", "interaction_id", same),
    ("contact_id", "contact_id", same),
    ("channel_type", "channel", same),
    ("started_at", "started_at", local_time),
    ("finished_at", "ended_at", local_time),
    ("int_custom_field_n1", "integer_custom_1", same),
    ("int_custom_field_n2", "integer_custom_2", same),
    ("float_custom_field_n1", "decimal_custom_1", same),
    ("float_custom_field_n2", "decimal_custom_2", same),
    ("text_custom_field_n1", "text_custom_1", same),
    ("text_custom_field_n2", "text_custom_2", same),
    ("text_custom_field_n3", "text_custom_3", same),
    ("text_custom_field_n4", "text_custom_4", same),
    ("timestamp_custom_field_n1", "instant_custom_1", local_time),
    ("updated_at", "updated_at", local_time),
)

ORACLES = (
    ReportOracle(
        report="contacts",
        tables=("contact",),
        expected_rows=contacts,
        check_file=talkdesk_file(CONTACTS, labels=CONTACTS_HEADER),
    ),
    ReportOracle(
        report="ring_attempts",
        tables=("ring_attempt",),
        expected_rows=ring_attempts,
        check_file=talkdesk_file(RING_ATTEMPTS),
    ),
    ReportOracle(
        report="interaction_custom_fields",
        tables=("call", "custom_field"),
        expected_rows=interaction_custom_fields,
        check_file=talkdesk_file(INTERACTION_CUSTOM_FIELDS),
        tenants=tenants_with_sparse_fields,
    ),
)
