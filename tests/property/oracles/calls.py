"""Oracle of `calls`: Talkdesk contract 5 and 6.1."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.property.exporting import Export
from tests.property.oracles.file_checks import check_document, check_lines
from tests.property.oracles.lookups import by_id, named, names
from tests.property.oracles.report_oracle import ExportCase, ReportOracle
from tests.property.oracles.shapes import Shape, csv_labels, csv_lines, csv_names, entries
from tests.property.oracles.talkdesk_values import (
    joined_by_plus_or_empty,
    local_time,
    or_empty,
    same,
    utc_time,
    utc_time_or_empty,
    with_local_times,
    yes_no,
)
from tests.strategies import Row


def calls(case: ExportCase) -> list[Row]:
    """One row per call that ended in the timespan."""
    care, timespan = case.care, case.timespan
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


def check_calls_file(export: Export, rows: list[Row], data: st.DataObject) -> None:
    """The JSON or the CSV file, with and without legacy columns, with either header line and form of instants."""
    legacy = data.draw(st.booleans(), label="legacy columns")
    shape = tuple(column for column in CALLS if legacy or column[0] not in LEGACY)
    zone_name = export.request.timespan.zone
    if not data.draw(st.booleans(), label="csv"):
        document = export.json(legacy_columns=legacy)
        check_document(document, entries(shape, rows, zone_name=zone_name), slug="calls", key=export.shown_key)
        return
    labels, plain = data.draw(st.booleans(), label="labels"), data.draw(st.booleans(), label="plain instants")
    header, *lines = export.csv(
        legacy_columns=legacy,
        csv_header="labels" if labels else "names",
        csv_datetimes="plain" if plain else "as_json",
    )
    assert header == (csv_labels(shape) if labels else csv_names(shape))
    expected = csv_lines(with_local_times(shape) if plain else shape, rows, zone_name=zone_name)
    check_lines(lines, expected, names=csv_names(shape), key=export.shown_key)


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

ORACLES = (
    # Many columns and four options of the file: more examples than other reports.
    ReportOracle(report="calls", tables=("call",), expected_rows=calls, check_file=check_calls_file, rounds=4),
)
