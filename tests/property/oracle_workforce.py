"""What the reports on quality, adherence and staffing must yield, worked out row by row in plain Python.

Written from Talkdesk contract 5, 6.10, 6.11, 6.14, the data model and the meanings of the columns,
without a look at the reports' SQL.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby

from offtake.model.timespan import Timespan
from tests.property.elapsed import seconds_rounded_down
from tests.property.lookups import by_id, named, names
from tests.property.shapes import Shape
from tests.property.talkdesk_values import joined_by_plus, json_array, local_time, or_empty, same, yes_no
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
    agents, teams = by_id(care, "agent"), by_id(care, "team")
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
    row["queue_names"] = named(fact["queue_ids"], names(care, "queue"))
    row["team_name"] = teams.get(fact["team_id"], {}).get("name")
    direction = fact["interaction_direction"]
    row["interaction_direction"] = direction and direction.capitalize()
    row["free_text_answer"] = fact["answer"] if fact["question_type"] == "TextQuestion" else None
    return row


_NOT_SHOWN = ("team_id", "queue_ids", "is_automatic", "evaluator_agent_id")


def adherence(care: Care, timespan: Timespan) -> list[Row]:
    """One row per piece of an agent's time that began in the timespan."""
    agents, teams, queues = by_id(care, "agent"), by_id(care, "team"), names(care, "queue")
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
                "queue_names": named(piece["queue_ids"], queues),
                "team_name": teams.get(piece["team_id"], {}).get("name"),
                "account_zone_name": care.zone.rsplit("/", 1)[-1].replace("_", " "),
                "reference_at": piece["shift_started_at"] or _day_of(start, care.zone),
                "started_at": start,
                "ended_at": end,
                "event_seconds": seconds_rounded_down(start, end),
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
    queues = names(care, "queue")
    rows = []
    for fact in care.rows["workforce_interval"]:
        if timespan.start <= fact["started_at"] < timespan.end:
            row = {name: value for name, value in fact.items() if name not in _COUNTED}
            # a decimal that is loaded as a whole number is one all the same
            row |= {name: None if fact[name] is None else float(fact[name]) for name in _DECIMALS}
            row["queue_name"] = queues.get(fact["queue_id"], fact["queue_id"])
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


QM_EVALUATION_ANALYSIS: Shape = (
    ("agent", "agent_in_full", same),
    ("agent_id", "agent_id", same),
    ("agent_name", "agent_name", same),
    ("agent_email", "agent_email", or_empty),
    ("evaluation_id", "evaluation_id", same),
    ("evaluation_time", "evaluated_at", local_time),
    ("evaluation_version", "version", same),
    ("evaluation_max_score", "max_score", same),
    ("evaluation_obtained_score", "obtained_score", same),
    ("evaluator_id", "evaluator_id", same),
    ("evaluator_name", "evaluator_name", same),
    ("form_id", "form_id", same),
    ("form_name", "form_name", same),
    ("section_id", "section_id", same),
    ("section_name", "section_name", same),
    ("section_max_score", "section_max_score", same),
    ("section_obtained_score", "section_obtained_score", same),
    ("question_id", "question_id", same),
    ("question_text", "question_text", same),
    ("question_type", "question_type", same),
    ("question_answer", "answer", same),
    ("question_max_score", "question_max_score", same),
    ("question_obtained_score", "question_obtained_score", same),
    ("interaction_id", "interaction_id", same),
    ("ring_group_names", "queue_names", joined_by_plus),
    ("team_name", "team_name", same),
    ("branch_to", "branch_to", same),
    ("first_evaluated_on", "first_evaluated_at", local_time),
    ("header_id", "header_id", same),
    ("header_text", "header_text", same),
    ("interaction_reference", "interaction_reference", same),
    ("form_element_mandatory", "is_mandatory", yes_no),
    ("interaction_channel", "interaction_channel", same),
    ("interaction_date", "interaction_started_at", local_time),
    ("interaction_direction", "interaction_direction", same),
    ("interaction_source", "interaction_source", same),
    ("interaction_type", "interaction_type", same),
    ("evaluation_element_text", "free_text_answer", same),
)
ADHERENCE: Shape = (
    ("agent_name", "agent_name", same),
    ("agent_email", "agent_email", or_empty),
    ("agent_ring_groups", "queue_names", json_array),
    ("team_name", "team_name", same),
    ("account_time_zone", "account_zone_name", same),
    ("reference_date", "reference_at", local_time),
    ("adherence_event_start_time", "started_at", local_time),
    ("adherence_event_end_time", "ended_at", local_time),
    ("adherence_event_duration", "event_seconds", same),
    ("adherence_status", "adherence_status", same),
    ("shift_status", "shift_status", same),
    ("scheduled_event_name", "scheduled_event_name", same),
    ("scheduled_event_pay_status", "scheduled_pay_status", same),
    ("actual_status", "actual_state", same),
)
TIMESERIES_REPORT: Shape = (
    ("queue_id", "queue_id", same),
    ("queue_name", "queue_name", same),
    ("channel_type", "channel", same),
    ("interval_start_time", "started_at", local_time),
    ("interval_duration", "interval_seconds", same),
    ("forecasted_contact_volume", "forecast_contacts", same),
    ("actual_contact_volume", "actual_contacts", same),
    ("forecasted_average_handle_time", "forecast_seconds_per_contact", same),
    ("actual_average_handle_time", "actual_seconds_per_contact", same),
    ("required_staffing", "required_agents", same),
    ("scheduled_staffing", "scheduled_agents", same),
    ("shrinkage", "shrinkage", same),
    ("service_level", "service_level", same),
    ("abandoned_contacts", "abandoned_contacts", same),
)
