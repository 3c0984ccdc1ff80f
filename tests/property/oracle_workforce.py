"""What the reports on quality, adherence and staffing must yield, worked out row by row in plain Python.

Written from the contract (contracts/talkdesk.md 5, 6.10, 6.11, 6.14), the data model and the meanings of the columns,
without a look at the reports' SQL.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import groupby

from offtake.model.timespan import Timespan
from tests.property.oracle import (
    Shape,
    Shown,
    _by_id,
    _d,
    _joined,
    _or_empty,
    _queue_names,
    _same,
    _yes_no,
)
from tests.strategies import Care, Row, zone


def qm_evaluation_analysis(care: Care, timespan: Timespan) -> list[Row]:
    """One row per question of the last version that the timespan has of each evaluation."""
    submitted = [row for row in care.rows["evaluation"] if timespan.start <= row["evaluated_at"] < timespan.end]
    submitted.sort(key=_version)
    last: dict[str, list[Row]] = {}
    for (evaluation, _), questions in groupby(submitted, key=_version):
        last[evaluation] = list(questions)  # a higher version comes later and takes the place
    return [_question(care, row) for questions in last.values() for row in questions]


def _version(row: Row) -> tuple[str, int]:
    return row["evaluation_id"], row["version"]


def _question(care: Care, fact: Row) -> Row:
    agents, teams = _by_id(care, "agent"), _by_id(care, "team")
    row = {name: value for name, value in fact.items() if name not in _NOT_SHOWN}
    agent = agents.get(fact["agent_id"])
    row["agent_in_full"] = (
        f"{agent['name']} ({agent['email']}) [{fact['agent_id']}]" if agent else f"[{fact['agent_id']}]"
    )
    row["agent_name"] = agent["name"] if agent else fact["agent_id"]
    row["agent_email"] = agent["email"] if agent else None
    person = fact["evaluator_agent_id"]
    row["evaluator_id"] = "AI Scored Evaluation" if fact["is_automatic"] or person is None else person
    row["evaluator_name"] = agents[person]["name"] if person in agents else None
    row["queue_names"] = _queue_names(fact, _by_id(care, "queue"))
    row["team_name"] = teams.get(fact["team_id"], {}).get("name")
    direction = fact["interaction_direction"]
    row["interaction_direction"] = direction and direction.capitalize()
    row["free_text_answer"] = fact["answer"] if fact["question_type"] == "TextQuestion" else None
    return row


_NOT_SHOWN = ("team_id", "queue_ids", "is_automatic", "evaluator_agent_id")


def adherence(care: Care, timespan: Timespan) -> list[Row]:
    """One row per piece of an agent's time that began in the timespan."""
    agents, teams, queues = _by_id(care, "agent"), _by_id(care, "team"), _by_id(care, "queue")
    rows = []
    for piece in care.rows["adherence_event"]:
        start, end, paid = piece["started_at"], piece["ended_at"], piece["is_paid"]
        if not timespan.start <= start < timespan.end:
            continue
        agent = agents.get(piece["agent_id"], {"name": piece["agent_id"], "email": None})
        rows.append(
            {
                "agent_name": agent["name"],
                "agent_email": agent["email"],
                "queue_names": _queue_names(piece, queues),
                "team_name": teams.get(piece["team_id"], {}).get("name"),
                "account_zone_name": care.zone.rsplit("/", 1)[-1].replace("_", " "),
                "reference_at": piece["shift_started_at"] or _day_of(start, care.zone),
                "started_at": start,
                "ended_at": end,
                "event_seconds": (end - start) // timedelta(seconds=1),
                "adherence_status": "Aligned" if piece["is_aligned"] else "Deviated",
                "shift_status": piece["shift_status"],
                "scheduled_event_name": piece["scheduled_event_name"],
                "scheduled_pay_status": None if paid is None else "Paid" if paid else "Unpaid",
                "actual_state": piece["actual_state"],
                "agent_id": piece["agent_id"],
            }
        )
    return rows


def timeseries_report(care: Care, timespan: Timespan) -> list[Row]:
    """One row per planning interval that began in the timespan."""
    queues = _by_id(care, "queue")
    rows = []
    for fact in care.rows["workforce_interval"]:
        if timespan.start <= fact["started_at"] < timespan.end:
            row = {name: value for name, value in fact.items() if name not in _COUNTED}
            # a decimal that is loaded as a whole number is one all the same
            row |= {name: None if fact[name] is None else float(fact[name]) for name in _DECIMALS}
            row["queue_name"] = queues.get(fact["queue_id"], {"name": fact["queue_id"]})["name"]
            row["actual_contacts"] = fact["offered_contacts"]
            row["actual_seconds_per_contact"] = _share(fact["handle_seconds"], fact["handled_contacts"])
            row["service_level"] = _share(fact["answered_in_time_contacts"], fact["offered_contacts"])
            rows.append(row)
    return rows


_COUNTED = ("offered_contacts", "handled_contacts", "answered_in_time_contacts", "handle_seconds")
_DECIMALS = ("forecast_contacts", "forecast_seconds_per_contact", "required_agents", "scheduled_agents", "shrinkage")


def _share(part: int | None, whole: int | None) -> float | None:
    return float(part) / float(whole) if part is not None and whole else None


def _day_of(moment: datetime, name: str) -> datetime:
    """The first instant of the day on the clocks of a zone: the first of two midnights, and of none the change."""
    local = moment.astimezone(zone(name))
    return datetime(local.year, local.month, local.day, tzinfo=zone(name)).astimezone(UTC)


def _json_array(value: object, _: str) -> Shown:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# Column on the wire, column of the report, how it is shown: in the order of section 6.

QM_EVALUATION_ANALYSIS: Shape = (
    ("agent", "agent_in_full", _same),
    ("agent_id", "agent_id", _same),
    ("agent_name", "agent_name", _same),
    ("agent_email", "agent_email", _or_empty),
    ("evaluation_id", "evaluation_id", _same),
    ("evaluation_time", "evaluated_at", _d),
    ("evaluation_version", "version", _same),
    ("evaluation_max_score", "max_score", _same),
    ("evaluation_obtained_score", "obtained_score", _same),
    ("evaluator_id", "evaluator_id", _same),
    ("evaluator_name", "evaluator_name", _same),
    ("form_id", "form_id", _same),
    ("form_name", "form_name", _same),
    ("section_id", "section_id", _same),
    ("section_name", "section_name", _same),
    ("section_max_score", "section_max_score", _same),
    ("section_obtained_score", "section_obtained_score", _same),
    ("question_id", "question_id", _same),
    ("question_text", "question_text", _same),
    ("question_type", "question_type", _same),
    ("question_answer", "answer", _same),
    ("question_max_score", "question_max_score", _same),
    ("question_obtained_score", "question_obtained_score", _same),
    ("interaction_id", "interaction_id", _same),
    ("ring_group_names", "queue_names", _joined),
    ("team_name", "team_name", _same),
    ("branch_to", "branch_to", _same),
    ("first_evaluated_on", "first_evaluated_at", _d),
    ("header_id", "header_id", _same),
    ("header_text", "header_text", _same),
    ("interaction_reference", "interaction_reference", _same),
    ("form_element_mandatory", "is_mandatory", _yes_no),
    ("interaction_channel", "interaction_channel", _same),
    ("interaction_date", "interaction_started_at", _d),
    ("interaction_direction", "interaction_direction", _same),
    ("interaction_source", "interaction_source", _same),
    ("interaction_type", "interaction_type", _same),
    ("evaluation_element_text", "free_text_answer", _same),
)
ADHERENCE: Shape = (
    ("agent_name", "agent_name", _same),
    ("agent_email", "agent_email", _or_empty),
    ("agent_ring_groups", "queue_names", _json_array),
    ("team_name", "team_name", _same),
    ("account_time_zone", "account_zone_name", _same),
    ("reference_date", "reference_at", _d),
    ("adherence_event_start_time", "started_at", _d),
    ("adherence_event_end_time", "ended_at", _d),
    ("adherence_event_duration", "event_seconds", _same),
    ("adherence_status", "adherence_status", _same),
    ("shift_status", "shift_status", _same),
    ("scheduled_event_name", "scheduled_event_name", _same),
    ("scheduled_event_pay_status", "scheduled_pay_status", _same),
    ("actual_status", "actual_state", _same),
)
TIMESERIES_REPORT: Shape = (
    ("queue_id", "queue_id", _same),
    ("queue_name", "queue_name", _same),
    ("channel_type", "channel", _same),
    ("interval_start_time", "started_at", _d),
    ("interval_duration", "interval_seconds", _same),
    ("forecasted_contact_volume", "forecast_contacts", _same),
    ("actual_contact_volume", "actual_contacts", _same),
    ("forecasted_average_handle_time", "forecast_seconds_per_contact", _same),
    ("actual_average_handle_time", "actual_seconds_per_contact", _same),
    ("required_staffing", "required_agents", _same),
    ("scheduled_staffing", "scheduled_agents", _same),
    ("shrinkage", "shrinkage", _same),
    ("service_level", "service_level", _same),
    ("abandoned_contacts", "abandoned_contacts", _same),
)
