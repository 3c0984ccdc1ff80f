"""Oracles of `messaging_contacts` and `messaging_traffic`: Talkdesk contract 5, 6.6 and 6.7."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tests.property.oracles.elapsed import seconds_rounded_down
from tests.property.oracles.file_checks import talkdesk_file
from tests.property.oracles.lookups import named, names
from tests.property.oracles.report_oracle import ExportCase, ReportOracle
from tests.property.oracles.shapes import Shape
from tests.property.oracles.talkdesk_values import (
    day_fraction_of_seconds,
    in_days_and_hours,
    joined_by_spaced_plus,
    local_time,
    or_empty,
    same,
    yes_no,
    yes_no_in_capitals,
)
from tests.strategies import Row

_MOST = 2**63 - 1
_SIDES = {"inbound": "Inbound", "outbound": "Outbound"}


def messaging_contacts(case: ExportCase) -> list[Row]:
    """One row per contact that finished in the timespan; interactions are known as of its end."""
    care, timespan = case.care, case.timespan
    agents, bots, queues = names(care, "agent"), names(care, "virtual_agent"), names(care, "queue")
    legs: dict[str, list[Row]] = {}
    for contact in care.rows["messaging_contact"]:
        if contact["started_at"] < timespan.end:
            legs.setdefault(contact["interaction_id"], []).append(contact)
    rows = []
    for contact in care.rows["messaging_contact"]:
        end = contact["finished_at"]
        if end is None or not timespan.start <= end < timespan.end:
            continue
        row: Row = {name: value for name, value in contact.items() if not name.endswith("queue_ids")}
        row |= _interaction(legs[contact["interaction_id"]], timespan.end)
        row["contact_seconds"] = seconds_rounded_down(contact["started_at"], end)
        row["direction"] = _SIDES[contact["direction"]]
        row["agent_name"] = agents.get(contact["agent_id"])
        row["direct_agent_name"] = agents.get(contact["direct_agent_id"])
        row["virtual_agent_name"] = bots.get(contact["virtual_agent_id"])
        row["is_virtual_agent"] = contact["virtual_agent_id"] is not None
        row["queue_names"] = named(contact["queue_ids"], queues)
        row["handling_queue_names"] = named(contact["handling_queue_ids"], queues)
        rows.append(row)
    return rows


def messaging_traffic(case: ExportCase) -> list[Row]:
    """One row per message of the timespan, with the columns of its contact."""
    care, timespan = case.care, case.timespan
    agents = names(care, "agent")
    contacts = {row["contact_id"]: row for row in care.rows["messaging_contact"]}
    rows = []
    for message in care.rows["messaging_traffic"]:
        if timespan.start <= message["created_at"] < timespan.end:
            contact = contacts.get(message["contact_id"], {})
            agent_id = message["agent_id"] if message["direction"] == "outbound" else None
            row: Row = {name: message[name] for name in ("message_id", "contact_id", "created_at")}
            row |= {name: contact.get(name) for name in ("channel", "person_id", "person_name", "interaction_id")}
            row |= {"direction": _SIDES[message["direction"]], "agent_id": agent_id, "agent_name": agents.get(agent_id)}
            rows.append(row)
    return rows


def _interaction(legs: Sequence[Row], end: datetime) -> Row:
    """The columns of an interaction at ``end``, from the contacts that had begun by then."""
    start = min(leg["started_at"] for leg in legs)
    over = [leg for leg in legs if leg["finished_at"] is not None and leg["finished_at"] < end]
    last = max(leg["finished_at"] for leg in over) if len(over) == len(legs) else None
    handled = [leg["handle_seconds"] for leg in over if leg["handle_seconds"] is not None]
    return {
        "interaction_started_at": start,
        "interaction_finished_at": last,
        "interaction_seconds": seconds_rounded_down(start, last),
        "interaction_handle_seconds": min(sum(handled), _MOST) if handled else None,
        "interaction_status": "CLOSED" if last else "OPEN",
    }


MESSAGING_CONTACTS: Shape = (
    ("channel_type", "channel", same),
    ("contact_assigned_at", "assigned_at", local_time),
    ("contact_duration", "contact_seconds", day_fraction_of_seconds),
    ("contact_finished_at", "finished_at", local_time),
    ("contact_finished_reason", "finished_reason", same),
    ("contact_handle_time", "handle_seconds", in_days_and_hours),
    ("contact_id", "contact_id", same),
    ("contact_person_channel_identifier", "person_address", same),
    ("contact_person_id", "person_id", same),
    ("contact_person_name", "person_name", or_empty),
    ("contact_started_at", "started_at", local_time),
    ("conversation", "conversation_url", same),
    ("direct_assignment_user_id", "direct_agent_id", same),
    ("direct_assignment_user", "direct_agent_name", same),
    ("direction", "direction", same),
    ("disposition_name", "disposition", same),
    ("first_response_time", "first_response_seconds", in_days_and_hours),
    ("handling_queues", "handling_queue_names", joined_by_spaced_plus),
    ("interaction_duration", "interaction_seconds", day_fraction_of_seconds),
    ("interaction_finished_at", "interaction_finished_at", local_time),
    ("interaction_handle_time", "interaction_handle_seconds", in_days_and_hours),
    ("interaction_id", "interaction_id", same),
    ("interaction_started_at", "interaction_started_at", local_time),
    ("interaction_status", "interaction_status", same),
    ("is_virtual_agent", "is_virtual_agent", yes_no_in_capitals),
    ("notes", "notes", same),
    ("queues", "queue_names", joined_by_spaced_plus),
    ("touchpoint_identifier", "company_address", same),
    ("touchpoint_name", "company_address_label", same),
    ("transfer_out", "is_transfer_out", yes_no),
    ("user_id", "agent_id", same),
    ("user_name", "agent_name", same),
    ("virtual_agent_id", "virtual_agent_id", same),
    ("virtual_agent_name", "virtual_agent_name", same),
    ("wrap-up_duration", "wrap_up_seconds", day_fraction_of_seconds),
)
MESSAGING_TRAFFIC: Shape = (
    ("contact_id", "contact_id", same),
    ("channel_type", "channel", or_empty),
    ("contact_person_id", "person_id", same),
    ("contact_person_name", "person_name", or_empty),
    ("interaction_id", "interaction_id", or_empty),
    ("message_created_at", "created_at", local_time),
    ("message_direction", "direction", same),
    ("message_id", "message_id", same),
    ("user_id", "agent_id", same),
    ("user_name", "agent_name", same),
)

ORACLES = (
    ReportOracle(
        report="messaging_contacts",
        tables=("messaging_contact",),
        expected_rows=messaging_contacts,
        check_file=talkdesk_file(MESSAGING_CONTACTS),
    ),
    ReportOracle(
        report="messaging_traffic",
        tables=("messaging_traffic", "messaging_contact"),
        expected_rows=messaging_traffic,
        check_file=talkdesk_file(MESSAGING_TRAFFIC),
    ),
)
