"""What `messaging_contacts` and `messaging_traffic` must yield, worked out row by row in plain Python.

Written from the contract (contracts/talkdesk.md 5, 6.6 and 6.7), the data model and the meanings of the columns,
without a look at the reports' SQL, so that a mistake in one of the two shows as a difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from offtake.model.timespan import Timespan
from tests.property.oracle import Shape, Shown
from tests.strategies import Care, Row, zone

_MOST = 2**63 - 1
_SIDES = {"inbound": "Inbound", "outbound": "Outbound"}


def messaging_contacts(care: Care, timespan: Timespan) -> list[Row]:
    """One row per contact that finished in the timespan; interactions are seen as of its end."""
    agents, bots, queues = _names(care, "agent"), _names(care, "virtual_agent"), _names(care, "queue")
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
        row["contact_seconds"] = (end - contact["started_at"]) // timedelta(seconds=1)
        row["direction"] = _SIDES[contact["direction"]]
        row["agent_name"] = agents.get(contact["agent_id"])
        row["direct_agent_name"] = agents.get(contact["direct_agent_id"])
        row["virtual_agent_name"] = bots.get(contact["virtual_agent_id"])
        row["is_virtual_agent"] = contact["virtual_agent_id"] is not None
        row["queue_names"] = _queue_names(contact["queue_ids"], queues)
        row["handling_queue_names"] = _queue_names(contact["handling_queue_ids"], queues)
        rows.append(row)
    return rows


def messaging_traffic(care: Care, timespan: Timespan) -> list[Row]:
    """One row per message of the timespan, with what its contact knows."""
    agents = _names(care, "agent")
    contacts = {row["contact_id"]: row for row in care.rows["messaging_contact"] if row["started_at"] < timespan.end}
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
    """What is known of an interaction at ``end`` from the contacts that had begun by then."""
    start = min(leg["started_at"] for leg in legs)
    over = [leg for leg in legs if leg["finished_at"] is not None and leg["finished_at"] < end]
    last = max(leg["finished_at"] for leg in over) if len(over) == len(legs) else None
    handled = [leg["handle_seconds"] for leg in over if leg["handle_seconds"] is not None]
    return {
        "interaction_started_at": start,
        "interaction_finished_at": last,
        "interaction_seconds": (last - start) // timedelta(seconds=1) if last else None,
        "interaction_handle_seconds": min(sum(handled), _MOST) if handled else None,
        "interaction_status": "CLOSED" if last else "OPEN",
    }


def _names(care: Care, table: str) -> Mapping[str | None, str]:
    return {row[f"{table}_id"]: row["name"] for row in care.rows[table]}


def _queue_names(ids: Sequence[str] | None, queues: Mapping[str | None, str]) -> list[str] | None:
    return [queues.get(queue, queue) for queue in ids] if ids else None


# How the contract's tables type a column.


def _same(value: object, _: str) -> Shown:
    assert value is None or isinstance(value, str | int | float)
    return value


def _or_empty(value: object, _: str) -> Shown:
    return "" if value is None else str(value)


def _yes_no(value: object, _: str) -> Shown:
    return "Yes" if value else "No"


def _capitals(value: object, _: str) -> Shown:
    return "YES" if value else "NO"


def _d(value: object, name: str) -> Shown:
    if value is None:
        return None
    assert isinstance(value, datetime)
    return value.astimezone(zone(name)).replace(microsecond=0, tzinfo=None).isoformat(sep=" ")


def _day_fraction(value: object, _: str) -> Shown:
    assert value is None or isinstance(value, int)
    return None if value is None else float(value) / 86_400


def _duration(value: object, _: str) -> Shown:
    if value is None:
        return None
    assert isinstance(value, int)
    minutes, seconds = divmod(value, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}d {hours}h {minutes}m {seconds}s"


def _joined(value: object, _: str) -> Shown:
    return " + ".join(value) if isinstance(value, list) else None


MESSAGING_CONTACTS: Shape = (
    ("channel_type", "channel", _same),
    ("contact_assigned_at", "assigned_at", _d),
    ("contact_duration", "contact_seconds", _day_fraction),
    ("contact_finished_at", "finished_at", _d),
    ("contact_finished_reason", "finished_reason", _same),
    ("contact_handle_time", "handle_seconds", _duration),
    ("contact_id", "contact_id", _same),
    ("contact_person_channel_identifier", "person_address", _same),
    ("contact_person_id", "person_id", _same),
    ("contact_person_name", "person_name", _or_empty),
    ("contact_started_at", "started_at", _d),
    ("conversation", "conversation_url", _same),
    ("direct_assignment_user_id", "direct_agent_id", _same),
    ("direct_assignment_user", "direct_agent_name", _same),
    ("direction", "direction", _same),
    ("disposition_name", "disposition", _same),
    ("first_response_time", "first_response_seconds", _duration),
    ("handling_queues", "handling_queue_names", _joined),
    ("interaction_duration", "interaction_seconds", _day_fraction),
    ("interaction_finished_at", "interaction_finished_at", _d),
    ("interaction_handle_time", "interaction_handle_seconds", _duration),
    ("interaction_id", "interaction_id", _same),
    ("interaction_started_at", "interaction_started_at", _d),
    ("interaction_status", "interaction_status", _same),
    ("is_virtual_agent", "is_virtual_agent", _capitals),
    ("notes", "notes", _same),
    ("queues", "queue_names", _joined),
    ("touchpoint_identifier", "company_address", _same),
    ("touchpoint_name", "company_address_label", _same),
    ("transfer_out", "is_transfer_out", _yes_no),
    ("user_id", "agent_id", _same),
    ("user_name", "agent_name", _same),
    ("virtual_agent_id", "virtual_agent_id", _same),
    ("virtual_agent_name", "virtual_agent_name", _same),
    ("wrap-up_duration", "wrap_up_seconds", _day_fraction),
)
MESSAGING_TRAFFIC: Shape = (
    ("contact_id", "contact_id", _same),
    ("channel_type", "channel", _or_empty),
    ("contact_person_id", "person_id", _same),
    ("contact_person_name", "person_name", _or_empty),
    ("interaction_id", "interaction_id", _or_empty),
    ("message_created_at", "created_at", _d),
    ("message_direction", "direction", _same),
    ("message_id", "message_id", _same),
    ("user_id", "agent_id", _same),
    ("user_name", "agent_name", _same),
)
