"""Oracles of `studio_flow_execution`, `outbound_dialer_calls`, `feedback`: Talkdesk contract 5, 6.4, 6.8, 6.9."""

from __future__ import annotations

from tests.property.oracles.file_checks import talkdesk_file
from tests.property.oracles.lookups import names
from tests.property.oracles.report_oracle import ExportCase, ReportOracle
from tests.property.oracles.shapes import Shape, csv_labels
from tests.property.oracles.talkdesk_values import day_fraction_of_milliseconds, local_time, same, yes_no
from tests.strategies import Row


def studio_flow_execution(case: ExportCase) -> list[Row]:
    """One row per step of a run that ended in the timespan; a run that continues has not ended."""
    care, timespan = case.care, case.timespan
    ended = [step for step in care.rows["flow_step"] if step["flow_ended_at"] is not None]
    return [dict(step) for step in ended if timespan.start <= step["flow_ended_at"] < timespan.end]


def outbound_dialer_calls(case: ExportCase) -> list[Row]:
    """One row per dialled call that ended in the timespan."""
    care, timespan = case.care, case.timespan
    campaigns, agents, teams = names(care, "campaign"), names(care, "agent"), names(care, "team")
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


def feedback(case: ExportCase) -> list[Row]:
    """One row per event in the timespan."""
    care, timespan = case.care, case.timespan
    dimensions = {"agent": names(care, "agent"), "team": names(care, "team"), "queue": names(care, "queue")}
    rows = []
    for event in sorted(care.rows["feedback"], key=lambda event: event["happened_at"], reverse=True):
        if event["happened_at"] >= timespan.end:
            continue
        if event["happened_at"] < timespan.start:
            break
        row = dict(event)
        for dimension, known in dimensions.items():
            row[f"{dimension}_name"] = known.get(row.pop(f"{dimension}_id"))
        if event["interaction_direction"] is not None:
            row["interaction_direction"] = event["interaction_direction"].capitalize()
        rows.append(row)
    return rows


STUDIO_FLOW_EXECUTION: Shape = (
    ("call_sid", "carrier_call_id", same),
    ("interaction_id", "interaction_id", same),
    ("destination_number", "destination_number", same),
    ("origin_number", "origin_number", same),
    ("flow_name", "flow_name", same),
    ("flow_id", "flow_id", same),
    ("component_title", "component", same),
    ("step_name", "step_name", same),
    ("exit", "exit", same),
    ("time_in_step", "step_milliseconds", day_fraction_of_milliseconds),
    ("timestamp", "started_at", local_time),
    ("studio_flow_executions_aggregated.flow_execution_finished_time", "flow_ended_at", local_time),
    ("step_execution_order", "step_order", same),
    ("flow_execution_id", "flow_execution_id", same),
)
OUTBOUND_DIALER_CALLS: Shape = (
    ("interaction_id", "interaction_id", same),
    ("campaign_id", "campaign_id", same),
    ("campaign_name", "campaign_name", same),
    ("campaign_agent_id", "agent_id", same),
    ("campaign_agent_name", "agent_name", same),
    ("campaign_transferred_agent_id", "transferred_agent_id", same),
    ("campaign_transferred_agent_name", "transferred_agent_name", same),
    ("record_id", "record_id", same),
    ("record_list_name", "record_list_name", same),
    ("attempt_number", "attempt_number", same),
    ("call_started_time", "started_at", local_time),
    ("call_finished_time", "ended_at", local_time),
    ("callback_mode", "callback_mode", same),
    ("customer_phone_number", "customer_number", same),
    ("talkdesk_phone_number", "company_number", same),
    ("description", "notes", same),
    ("disposition", "disposition", same),
    ("outbound_dialer_system_disposition", "system_disposition", same),
    ("sip_hangup_code", "sip_hangup_code", same),
    ("team_name", "team_name", same),
    ("total_duration", "total_seconds", same),
    ("create_calls_analysis.in_queue", "queue_seconds", same),
    ("create_calls_analysis.ringing_at_agent", "agent_ringing_seconds", same),
    ("create_calls_analysis.ringing_at_customer", "customer_ringing_seconds", same),
    ("create_calls_analysis.outbound_dialer_record_extra_data", "record_extra_data", same),
    ("create_calls_analysis.proactive_outbound_phone_type", "phone_type", same),
)
FEEDBACK: Shape = (
    ("date_time", "happened_at", local_time),
    ("interaction_id", "interaction_id", same),
    ("flow_name", "flow_name", same),
    ("component_id", "component_id", same),
    ("component_name", "component_name", same),
    ("component_type", "component_type", same),
    ("component_text", "component_text", same),
    ("response", "response", same),
    ("response_state", "response_state", same),
    ("is_kpi", "is_kpi", yes_no),
    ("pertains_to_agent", "is_about_agent", yes_no),
    ("recording_url", "recording_url", same),
    ("agent_name", "agent_name", same),
    ("respondent_phone_number", "respondent_number", same),
    ("talkdesk_phone_number", "company_number", same),
    ("ring_group", "queue_name", same),
    ("team_name", "team_name", same),
    ("interaction_direction", "interaction_direction", same),
    ("survey_channel", "survey_channel", same),
    ("sms_error", "sms_error", same),
    ("touch_point_id", "touch_point_id", same),
    ("touch_point_name", "touch_point_name", same),
    ("touch_point_value", "touch_point_value", same),
)
FEEDBACK_HEADER = csv_labels(FEEDBACK, {"date_time": "Date & Time"})

ORACLES = (
    ReportOracle(
        report="studio_flow_execution",
        tables=("flow_step",),
        expected_rows=studio_flow_execution,
        check_file=talkdesk_file(STUDIO_FLOW_EXECUTION),
    ),
    ReportOracle(
        report="outbound_dialer_calls",
        tables=("dialer_call",),
        expected_rows=outbound_dialer_calls,
        check_file=talkdesk_file(OUTBOUND_DIALER_CALLS),
    ),
    ReportOracle(
        report="feedback",
        tables=("feedback",),
        expected_rows=feedback,
        check_file=talkdesk_file(FEEDBACK, labels=FEEDBACK_HEADER),
    ),
)
