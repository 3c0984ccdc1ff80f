"""Oracles of the reports on quality, adherence and staffing: Talkdesk contract 5, 6.10, 6.11 and 6.14."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from itertools import groupby

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.property.exporting import Export
from tests.property.oracles.elapsed import seconds_rounded_down
from tests.property.oracles.file_checks import check_document, check_lines, talkdesk_file
from tests.property.oracles.lookups import by_id, named, names
from tests.property.oracles.report_oracle import ExportCase, ReportOracle
from tests.property.oracles.shapes import Shape, csv_labels, csv_lines, csv_names, entries
from tests.property.oracles.talkdesk_values import joined_by_plus, json_array, local_time, or_empty, same, yes_no
from tests.strategies import Care, Row, Scenario, zone


def qm_evaluation_analysis(case: ExportCase) -> list[Row]:
    """One row per question of the last version of each evaluation that was submitted in the timespan."""
    care, timespan = case.care, case.timespan
    submitted = [row for row in care.rows["evaluation"] if timespan.start <= row["evaluated_at"] < timespan.end]
    submitted.sort(key=_version)
    last: dict[str, list[Row]] = {}
    for (evaluation, _), questions in groupby(submitted, key=_version):
        last[evaluation] = list(questions)  # higher versions come later and replace lower ones
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


def adherence(case: ExportCase) -> list[Row]:
    """One row per adherence event that began in the timespan."""
    care, timespan = case.care, case.timespan
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


def timeseries_report(case: ExportCase) -> list[Row]:
    """One row per planning interval that began in the timespan."""
    care, timespan = case.care, case.timespan
    queues = names(care, "queue")
    rows = []
    for fact in care.rows["workforce_interval"]:
        if timespan.start <= fact["started_at"] < timespan.end:
            row = {name: value for name, value in fact.items() if name not in _COUNTED}
            # The lake stores a decimal that was loaded as a whole number as a decimal.
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
    """The first instant of the local day: the first of two midnights; where there is none, the change of clocks."""
    local = moment.astimezone(zone(name))
    return datetime(local.year, local.month, local.day, tzinfo=zone(name)).astimezone(UTC)


@st.composite
def tenants_with_free_texts(draw: DrawFn, scenario: Scenario) -> tuple[Care, ...]:
    """Some questions with a free text, which the report treats differently, and few versions, so that they collide."""
    return tuple(_with_free_texts(draw, care) for care in scenario.tenants)


def _with_free_texts(draw: DrawFn, care: Care) -> Care:
    rows = [
        {
            **row,
            "question_type": draw(st.sampled_from((row["question_type"], "TextQuestion", "textquestion"))),
            "version": draw(st.sampled_from((row["version"], 0, 1, 2))),
        }
        for row in care.rows["evaluation"]
    ]
    unique = {(row["evaluation_id"], row["version"], row["question_id"]): row for row in rows}
    return dataclasses.replace(care, rows={**care.rows, "evaluation": tuple(unique.values())})


def check_adherence_file(export: Export, rows: list[Row], data: st.DataObject) -> None:
    """The JSON or the CSV file. A list is a JSON text, which may be escaped in several ways: its value is compared."""
    zone_name = export.request.timespan.zone
    if data.draw(st.booleans(), label="csv"):
        header, *lines = export.csv()
        assert header == csv_labels(ADHERENCE)
        cells = csv_lines(ADHERENCE, rows, zone_name=zone_name)
        found, wanted = ([_parsed_cells(line) for line in each] for each in (lines, cells))
        check_lines(found, wanted, names=csv_names(ADHERENCE), key=export.shown_key)
        return
    document = export.json()
    document["entries"] = [_parsed_entry(entry) for entry in document["entries"]]
    expected = [_parsed_entry(entry) for entry in entries(ADHERENCE, rows, zone_name=zone_name)]
    check_document(document, expected, slug="adherence", key=export.shown_key)


def _parsed_entry(entry: Row) -> Row:
    text = entry["agent_ring_groups"]
    return {**entry, "agent_ring_groups": None if text is None else json.loads(text)}


def _parsed_cells(cells: list[str]) -> list[object]:
    queues = [name for name, _, _ in ADHERENCE].index("agent_ring_groups")
    return [json.loads(cell) if number == queues and cell else cell for number, cell in enumerate(cells)]


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

ORACLES = (
    ReportOracle(
        report="qm_evaluation_analysis",
        tables=("evaluation",),
        expected_rows=qm_evaluation_analysis,
        check_file=talkdesk_file(QM_EVALUATION_ANALYSIS),
        tenants=tenants_with_free_texts,
    ),
    ReportOracle(
        report="adherence",
        tables=("adherence_event",),
        expected_rows=adherence,
        check_file=check_adherence_file,
    ),
    ReportOracle(
        report="timeseries_report",
        tables=("workforce_interval",),
        expected_rows=timeseries_report,
        check_file=talkdesk_file(TIMESERIES_REPORT),
    ),
)
