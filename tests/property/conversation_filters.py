"""The filters that reports about conversations share: drawn at random, and read plainly.

What a smart view's expression or an account's week may be in full is tested elsewhere (``tests/unit``); here it matters
that a report asks the right conversation, at the right instant, in the right zone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from offtake.model.request import BusinessHours, ReportParameters
from tests.property.lookups import shown_id
from tests.strategies import Care, Row, zone

VIEWS: dict[str, tuple[str, Callable[[Row], bool]]] = {  # id -> what is stored, and what it means
    "high": ("priority >= 3", lambda row: row["priority"] is not None and row["priority"] >= 3),
    "not-4": ("priority != 4", lambda row: row["priority"] != 4),
    "open": (
        'status = "open" or not (is_private = true)',
        lambda row: row["status"] == "open" or not row["is_private"],
    ),
    "unassigned": ("agent is empty", lambda row: row["assigned_agent_id"] is None),
}


@st.composite
def with_accounts(draw: DrawFn, cares: tuple[Care, ...]) -> tuple[Care, ...]:
    """The same tenants, each with the smart views above and, perhaps, with business hours and holidays."""
    return tuple(
        replace(care, rows={**care.rows, "smart_view": _smart_views(draw), **_calendar(draw, care)}) for care in cares
    )


@st.composite
def parameters(draw: DrawFn, care: Care) -> ReportParameters:
    """The shared filters, each of them off more often than not."""
    conversations = care.rows["conversation"]
    priorities = ["0", "3", "9", *(str(row["priority"]) for row in conversations if row["priority"])]
    queues = ["7", *(shown_id(care, "queue", row["queue_id"]) or "" for row in (*care.rows["queue"], *conversations))]
    return ReportParameters(
        priorities=draw(perhaps_some(priorities)),
        queue_ids=draw(perhaps_some(queues)),
        smart_view_id=draw(st.sampled_from([None, None, None, None, *VIEWS, "unknown"])),
        business_hours=draw(st.sampled_from([None, None, *BusinessHours])),
    )


def perhaps_some(values: list[str]) -> st.SearchStrategy[tuple[str, ...] | None]:
    """A filter by some of these values, or none."""
    return st.none() | st.none() | st.lists(st.sampled_from(values), max_size=3).map(tuple)


def is_about(care: Care, wanted: ReportParameters, conversation: Row | None) -> bool:
    """The filters that look at the conversation; nothing is known of an unknown one, so it passes none of them."""
    filters = (wanted.priorities, wanted.queue_ids, wanted.smart_view_id)
    if conversation is None:
        return filters == (None, None, None)
    if wanted.priorities is not None and as_text(conversation["priority"]) not in wanted.priorities:
        return False
    if wanted.queue_ids is not None and shown_id(care, "queue", conversation["queue_id"]) not in wanted.queue_ids:
        return False
    if wanted.smart_view_id is None:
        return True
    return wanted.smart_view_id in VIEWS and VIEWS[wanted.smart_view_id][1](conversation)


def fits_the_hours(care: Care, wanted: ReportParameters, at: datetime) -> bool:
    """The filter by business hours; a smart view that has its own overrides the request's."""
    own = [row["business_hours"] for row in care.rows["smart_view"] if row["smart_view_id"] == wanted.smart_view_id]
    side = own[0] if own and own[0] else wanted.business_hours
    return side is None or is_open(care, at) == (side == "inside")


def as_text(number: int | None) -> str | None:
    """A short number as a request names it."""
    return None if number is None else str(number)


def is_open(care: Care, at: datetime) -> bool:
    """Whether the account is open at an instant; one without hours is, but for its days off."""
    local = at.astimezone(zone(care.zone))
    if local.date().isoformat() in {row["day"] for row in care.rows["holiday"]}:
        return False
    week = care.rows["business_hours"]
    today = [row for row in week if row["weekday"] == str(local.isoweekday())]
    return not week or any(row["opens"] <= local.strftime("%H:%M") < row["closes"] for row in today)


def _smart_views(draw: DrawFn) -> tuple[Row, ...]:
    return tuple(
        {
            "smart_view_id": name,
            "name": name,
            "expression": expression,
            "business_hours": draw(st.sampled_from([None, None, "inside", "outside"])),
        }
        for name, (expression, _) in VIEWS.items()
    )


def _calendar(draw: DrawFn, care: Care) -> dict[str, tuple[Row, ...]]:
    """A few stretches of the week; holidays, where there are stretches, on days on which something happened."""
    period = st.fixed_dictionaries(
        {
            "weekday": st.sampled_from("1234567"),
            "opens": st.sampled_from(["00:00", "07:30", "12:59"]),
            "closes": st.sampled_from(["13:00", "18:45", "24:00"]),
        }
    )
    week = draw(st.lists(period, max_size=9, unique_by=lambda row: (row["weekday"], row["opens"])))
    instants = {value for rows in care.rows.values() for row in rows for value in row.values() if _is_instant(value)}
    days = sorted({at.astimezone(zone(care.zone)).date().isoformat() for at in instants})
    closed = draw(st.lists(st.sampled_from(days), max_size=2, unique=True)) if days and week else []
    return {"business_hours": tuple(week), "holiday": tuple({"day": day} for day in closed)}


def _is_instant(value: object) -> bool:
    return isinstance(value, datetime)
