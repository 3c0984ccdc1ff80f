"""What `studio_flow_execution`, `outbound_dialer_calls` and `feedback` must yield, worked out in plain Python.

Written from the contract (contracts/talkdesk.md 5, 6.4, 6.8, 6.9), the data model and the meanings of the columns,
without a look at the reports' SQL, so that a mistake in one of the two shows as a difference.
"""

from __future__ import annotations

from datetime import datetime

from offtake.model.timespan import Timespan
from tests.property.oracle import Shape, Shown
from tests.strategies import Care, Row, zone


def studio_flow_execution(care: Care, timespan: Timespan) -> list[Row]:
    """One row per step of a run that ended in the timespan; a run that lasts has not ended."""
    ended = [step for step in care.rows["flow_step"] if step["flow_ended_at"] is not None]
    return [dict(step) for step in ended if timespan.start <= step["flow_ended_at"] < timespan.end]


def outbound_dialer_calls(care: Care, timespan: Timespan) -> list[Row]:
    """One row per dialled call that ended in the timespan."""
    campaigns, agents, teams = _names(care, "campaign"), _names(care, "agent"), _names(care, "team")
    rows = []
    for call in care.rows["dialer_call"]:
        if call["ended_at"] < timespan.start or call["ended_at"] >= timespan.end:
            continue
        row = {name: value for name, value in call.items() if name != "team_id"}
        row["campaign_name"] = campaigns.get(call["campaign_id"], call["campaign_id"])
        row["agent_name"] = agents.get(call["agent_id"])
        row["transferred_agent_name"] = agents.get(call["transferred_agent_id"])
        row["team_name"] = teams.get(call["team_id"])
        rows.append(row)
    return rows


def feedback(care: Care, timespan: Timespan) -> list[Row]:
    """One row per event in the timespan."""
    named = {"agent": _names(care, "agent"), "team": _names(care, "team"), "queue": _names(care, "queue")}
    rows = []
    for event in sorted(care.rows["feedback"], key=lambda event: event["happened_at"], reverse=True):
        if event["happened_at"] >= timespan.end:
            continue
        if event["happened_at"] < timespan.start:
            break
        row = dict(event)
        for dimension, names in named.items():
            row[f"{dimension}_name"] = names.get(row.pop(f"{dimension}_id"))
        if event["interaction_direction"] is not None:
            row["interaction_direction"] = event["interaction_direction"].capitalize()
        rows.append(row)
    return rows


def _names(care: Care, table: str) -> dict[str | None, str]:
    return {row[f"{table}_id"]: row["name"] for row in care.rows[table]}


# How the contract's tables type a column.


def _same(value: object, _: str) -> Shown:
    assert value is None or isinstance(value, str | int | float)
    return value


def _d(value: object, name: str) -> Shown:
    assert isinstance(value, datetime)
    return f"{value.astimezone(zone(name)):%Y-%m-%d %H:%M:%S}"


def _dayf(value: object, _: str) -> Shown:
    assert isinstance(value, int)
    return float(value) / 86_400_000  # milliseconds of a day


def _yn(value: object, _: str) -> Shown:
    return {True: "Yes", False: "No"}[bool(value)]


STUDIO_FLOW_EXECUTION: Shape = (
    ("call_sid", "carrier_call_id", _same),
    ("interaction_id", "interaction_id", _same),
    ("destination_number", "destination_number", _same),
    ("origin_number", "origin_number", _same),
    ("flow_name", "flow_name", _same),
    ("flow_id", "flow_id", _same),
    ("component_title", "component", _same),
    ("step_name", "step_name", _same),
    ("exit", "exit", _same),
    ("time_in_step", "step_milliseconds", _dayf),
    ("timestamp", "started_at", _d),
    ("studio_flow_executions_aggregated.flow_execution_finished_time", "flow_ended_at", _d),
    ("step_execution_order", "step_order", _same),
    ("flow_execution_id", "flow_execution_id", _same),
)
OUTBOUND_DIALER_CALLS: Shape = (
    ("interaction_id", "interaction_id", _same),
    ("campaign_id", "campaign_id", _same),
    ("campaign_name", "campaign_name", _same),
    ("campaign_agent_id", "agent_id", _same),
    ("campaign_agent_name", "agent_name", _same),
    ("campaign_transferred_agent_id", "transferred_agent_id", _same),
    ("campaign_transferred_agent_name", "transferred_agent_name", _same),
    ("record_id", "record_id", _same),
    ("record_list_name", "record_list_name", _same),
    ("attempt_number", "attempt_number", _same),
    ("call_started_time", "started_at", _d),
    ("call_finished_time", "ended_at", _d),
    ("callback_mode", "callback_mode", _same),
    ("customer_phone_number", "customer_number", _same),
    ("talkdesk_phone_number", "company_number", _same),
    ("description", "notes", _same),
    ("disposition", "disposition", _same),
    ("outbound_dialer_system_disposition", "system_disposition", _same),
    ("sip_hangup_code", "sip_hangup_code", _same),
    ("team_name", "team_name", _same),
    ("total_duration", "total_seconds", _same),
    ("create_calls_analysis.in_queue", "queue_seconds", _same),
    ("create_calls_analysis.ringing_at_agent", "agent_ringing_seconds", _same),
    ("create_calls_analysis.ringing_at_customer", "customer_ringing_seconds", _same),
    ("create_calls_analysis.outbound_dialer_record_extra_data", "record_extra_data", _same),
    ("create_calls_analysis.proactive_outbound_phone_type", "phone_type", _same),
)
FEEDBACK: Shape = (
    ("date_time", "happened_at", _d),
    ("interaction_id", "interaction_id", _same),
    ("flow_name", "flow_name", _same),
    ("component_id", "component_id", _same),
    ("component_name", "component_name", _same),
    ("component_type", "component_type", _same),
    ("component_text", "component_text", _same),
    ("response", "response", _same),
    ("response_state", "response_state", _same),
    ("is_kpi", "is_kpi", _yn),
    ("pertains_to_agent", "is_about_agent", _yn),
    ("recording_url", "recording_url", _same),
    ("agent_name", "agent_name", _same),
    ("respondent_phone_number", "respondent_number", _same),
    ("talkdesk_phone_number", "company_number", _same),
    ("ring_group", "queue_name", _same),
    ("team_name", "team_name", _same),
    ("interaction_direction", "interaction_direction", _same),
    ("survey_channel", "survey_channel", _same),
    ("sms_error", "sms_error", _same),
    ("touch_point_id", "touch_point_id", _same),
    ("touch_point_name", "touch_point_name", _same),
    ("touch_point_value", "touch_point_value", _same),
)
_LABELS = {"date_time": "Date & Time"}


def csv_header(shape: Shape) -> list[str]:
    """Section 5.2: the contract's label, or the field name split on ``_``, each word capitalised; a dot splits none."""
    return [
        _LABELS.get(name) or " ".join(word[0].upper() + word[1:] for word in name.split("_")) for name, _, _ in shape
    ]
