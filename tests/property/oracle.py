"""What `calls` and `user_status` must yield, worked out row by row in plain Python.

Written from the contract (contracts/talkdesk.md 5, 6.1 and 6.5), the data model and the meanings of the columns,
without a look at the reports' SQL, so that a mistake in one of the two shows as a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from offtake.model.timespan import Timespan
from tests.strategies import Care, Row, zone

Shown = str | int | float | bool | None


def calls(care: Care, timespan: Timespan) -> list[Row]:
    """One row per call that ended in the timespan."""
    agents, teams, queues = _by_id(care, "agent"), _by_id(care, "team"), _by_id(care, "queue")
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
        row["queue_names"] = _queue_names(call, queues)
        row["data_status"] = "Damaged" if call["is_damaged"] else "Valid"
        rows.append(row)
    return rows


def user_status(care: Care, timespan: Timespan, as_of: datetime) -> list[Row]:
    """One row per piece of a stay that ended in the timespan; stays are cut where the account's month changes."""
    agents, teams, queues = _by_id(care, "agent"), _by_id(care, "team"), _by_id(care, "queue")
    rows = []
    for stay in care.rows["agent_state"]:
        agent = agents.get(stay["agent_id"])
        for start, end in _pieces(stay["started_at"], stay["ended_at"], as_of=as_of, name=care.zone):
            if not timespan.start <= end < timespan.end:
                continue
            rows.append(
                {
                    "agent_id": stay["agent_id"],
                    "agent_name": agent["name"] if agent else stay["agent_id"],
                    "agent_email": agent["email"] if agent else None,
                    "state": stay["state"],
                    "started_at": start,
                    "ended_at": end,
                    "state_seconds": (end - start) // timedelta(seconds=1),
                    "is_agent_active": bool(agent and agent["is_active"]),
                    "team_id": stay["team_id"],
                    "team_name": teams.get(stay["team_id"], {}).get("name"),
                    "queue_names": _queue_names(stay, queues),
                }
            )
    return rows


def _by_id(care: Care, table: str) -> Mapping[str | None, Row]:
    return {row[f"{table}_id"]: row for row in care.rows[table]}


def _queue_names(fact: Row, queues: Mapping[str | None, Row]) -> list[str] | None:
    """Names in the list's order; an unknown queue shows its id; none at all is null."""
    if not fact["queue_ids"]:
        return None
    return [queues[queue]["name"] if queue in queues else queue for queue in fact["queue_ids"]]


def _pieces(
    start: datetime, end: datetime | None, *, as_of: datetime, name: str
) -> Iterator[tuple[datetime, datetime]]:
    """A stay cut at every start of a month inside it; of an open stay, the pieces known at ``as_of`` to be over."""
    for cut in _month_starts(after=start, name=name):
        if cut > as_of if end is None else cut >= end:
            break
        yield start, cut
        start = cut
    if end is not None:
        yield start, end


def _month_starts(*, after: datetime, name: str) -> Iterator[datetime]:
    """Local midnights of the first of each month, as instants later than ``after``; never ends."""
    local = after.astimezone(zone(name))
    year, month = local.year, local.month
    while True:
        month += 1
        if month > 12:
            year, month = year + 1, 1
        yield datetime(year, month, 1, tzinfo=zone(name)).astimezone(UTC)


# How the contract's tables type a column; Z is shown in UTC whatever zone was asked for, D in the zone of the request.


def _same(value: object, _: str) -> Shown:
    assert value is None or isinstance(value, str | int | float)
    return value


def _or_empty(value: object, _: str) -> Shown:
    return "" if value is None else str(value)


def _yes_no(value: object, _: str) -> Shown:
    return None if value is None else "Yes" if value else "No"


def _z(value: object, _: str) -> Shown:
    return None if value is None else _seconds(value, "UTC").replace(" ", "T") + "Z"


def _z_or_empty(value: object, name: str) -> Shown:
    return "" if value is None else _z(value, name)


def _d(value: object, name: str) -> Shown:
    return None if value is None else _seconds(value, name)


def _seconds(value: object, name: str) -> str:
    assert isinstance(value, datetime)
    return value.astimezone(zone(name)).replace(microsecond=0, tzinfo=None).isoformat(sep=" ")


def _joined(value: object, _: str) -> Shown:
    return "+".join(value) if isinstance(value, list) else None


def _joined_or_empty(value: object, _: str) -> Shown:
    return "+".join(value) if isinstance(value, list) else ""


# Column on the wire, column of the report, how it is shown: in the order of section 6.
Shape = tuple[tuple[str, str, Callable[[object, str], Shown]], ...]

LEGACY = ("mood", "is_mood_prompted")
CALLS: Shape = (
    ("call_id", "call_id", _same),
    ("callsid", "carrier_call_id", _same),
    ("type", "kind", _same),
    ("start_at", "started_at", _z),
    ("end_at", "ended_at", _z),
    ("talkdesk_phone_number", "company_number", _same),
    ("talkdesk_phone_display_name", "company_number_label", _same),
    ("contact_phone_number", "customer_number", _same),
    ("user_id", "agent_id", _same),
    ("user_name", "agent_name", _same),
    ("user_email", "agent_email", _same),
    ("total_time", "total_seconds", _same),
    ("talk_time", "talk_seconds", _same),
    ("wait_time", "wait_seconds", _same),
    ("hold_time", "hold_seconds", _same),
    ("abandon_time", "abandon_seconds", _same),
    ("total_ringing_time", "ringing_seconds", _same),
    ("disposition_code", "disposition_code", _same),
    ("notes", "notes", _same),
    ("user_voice_rating", "voice_rating", _same),
    ("ring_groups", "queue_names", _joined_or_empty),
    ("ivr_options", "ivr_options", _or_empty),
    ("is_in_business_hours", "is_in_business_hours", _same),
    ("is_callback_from_queue", "is_queue_callback", _same),
    ("is_transfer", "is_transfer", _same),
    ("handling_user_id", "handling_agent_id", _same),
    ("handling_user_name", "handling_agent_name", _same),
    ("handling_user_email", "handling_agent_email", _same),
    ("recording_url", "recording_url", _same),
    ("is_external_transfer", "is_external_transfer", _same),
    ("is_if_no_answer", "is_no_answer_rule", _same),
    ("is_call_forwarding", "is_forwarded", _same),
    ("csat_score", "csat_score", _same),
    ("csat_survey_time", "csat_answered_at", _z_or_empty),
    ("team_id", "team_id", _same),
    ("team_name", "team_name", _same),
    ("rating_reason", "rating_reason", _or_empty),
    ("agent_disconnected", "agent_disconnected", _yes_no),
    ("data_status", "data_status", _same),
    ("int_custom_field_n1", "integer_custom_1", _same),
    ("int_custom_field_n2", "integer_custom_2", _same),
    ("float_custom_field_n1", "decimal_custom_1", _same),
    ("float_custom_field_n2", "decimal_custom_2", _same),
    ("text_custom_field_n1", "text_custom_1", _same),
    ("text_custom_field_n2", "text_custom_2", _same),
    ("text_custom_field_n3", "text_custom_3", _same),
    ("text_custom_field_n4", "text_custom_4", _same),
    ("timestamp_custom_field_n1", "instant_custom_1", _d),
    ("disposition_set", "disposition_set", _same),
    ("nested_disposition", "nested_disposition", _same),
    ("mood", "mood", _same),
    ("is_mood_prompted", "is_mood_prompted", _same),
)
USER_STATUS: Shape = (
    ("user_id", "agent_id", _same),
    ("user_name", "agent_name", _same),
    ("user_email", "agent_email", _or_empty),
    ("status_label", "state", _same),
    ("status_start_at", "started_at", _d),
    ("status_end_at", "ended_at", _d),
    ("status_time", "state_seconds", _same),
    ("is_user_active", "is_agent_active", _same),
    ("team_id", "team_id", _same),
    ("team_name", "team_name", _same),
    ("ring_groups", "queue_names", _joined),
)


def entries(shape: Shape, rows: list[Row], *, zone_name: str) -> list[dict[str, Shown]]:
    """The rows as objects of a JSON file."""
    return [{key: shown(row[source], zone_name) for key, source, shown in shape} for row in rows]


def csv_lines(shape: Shape, rows: list[Row], *, zone_name: str, plain: bool) -> list[list[str]]:
    """The rows as cells of a csv file; ``plain`` shows instants with a zone letter like those without one."""
    shown_as = [(source, _d if plain and shown in (_z, _z_or_empty) else shown) for _, source, shown in shape]
    return [[csv_cell(shown(row[source], zone_name)) for source, shown in shown_as] for row in rows]


def csv_cell(value: object) -> str:
    """One value as text: null is nothing, and the shortest text that reads back as the same number."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def csv_header(shape: Shape, *, labels: bool) -> list[str]:
    """Section 5.2: the field name split on ``_``, each word capitalised."""
    names = [name for name, _, _ in shape]
    return [name.replace("_", " ").title() for name in names] if labels else names
