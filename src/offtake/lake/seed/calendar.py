"""The calendar of the sample data: the days and, if planned, the latest clock changes; office hours per time zone.

This module computes instants only; the SQL files add randomness.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

from offtake.lake.seed.plan import SeedPlan

ZONES = tuple(ZoneInfo(name) for name in ("Europe/Lisbon", "America/New_York", "Asia/Tokyo", "Asia/Kolkata", "UTC"))
_DST_ZONES = ZONES[:2]  # with daylight saving time
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_CALLS_PER_CLOCK_CHANGE_CALL = 20  # one call in 20 is near a clock change


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A time range without gaps that agent states cover; the main period contains the plan's days."""

    start: datetime
    end: datetime
    main: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HourSlot:
    """One hour: the calls that start in it, ``first`` to ``first + calls - 1``, and the zones with agents on duty."""

    start: datetime
    first: int
    calls: int
    on_duty: tuple[int, ...]
    in_business_hours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftStart:
    """The start of a shift: 8:00 local time of a working day in one zone."""

    period: int
    zone: int
    start: datetime


def clock_changes(plan: SeedPlan) -> list[datetime]:
    """Return the latest two clock changes before the plan's end in each DST zone, sorted; none unless planned."""
    if not plan.clock_changes:
        return []
    changes: list[datetime] = []
    for zone in _DST_ZONES:
        latest: list[datetime] = []
        at = plan.end
        while len(latest) < 2 and plan.end - at < 400 * _DAY:
            earlier = at - _HOUR
            if earlier.astimezone(zone).utcoffset() != at.astimezone(zone).utcoffset():
                latest.append(at)
            at = earlier
        changes.extend(latest)
    return sorted(changes)


def periods(plan: SeedPlan) -> list[Period]:
    """Return the plan's days and one day on either side of each clock change; overlapping periods are merged."""
    separate = [Period(start=plan.start, end=plan.end, main=True)]
    separate += [Period(start=at - _DAY, end=at + _DAY, main=False) for at in clock_changes(plan)]
    merged: list[Period] = []
    for period in sorted(separate, key=lambda one: (one.start, one.end)):
        if merged and period.start <= merged[-1].end:
            last = merged.pop()
            end = max(last.end, period.end)
            merged.append(Period(start=last.start, end=min(end, plan.end), main=last.main or period.main))
        else:
            merged.append(Period(start=period.start, end=min(period.end, plan.end), main=period.main))
    return merged


def slots(plan: SeedPlan) -> list[HourSlot]:
    """Return the hours with calls, in order of time; their calls add up to the planned number."""
    changes = clock_changes(plan)
    change_hours = [at + n * _HOUR for at in changes for n in range(-24, 24) if at + n * _HOUR < plan.end]
    change_calls = -(-plan.calls // _CALLS_PER_CLOCK_CHANGE_CALL) if change_hours else 0
    hours = [plan.start + n * _HOUR for n in range(plan.days * 24)]
    calls_by_hour = [
        *zip(hours, _spread(plan.calls - change_calls, [_traffic(hour) for hour in hours]), strict=True),
        *zip(
            change_hours, _spread(change_calls, [_change_weight(hour, changes) for hour in change_hours]), strict=True
        ),
    ]
    first = 0
    hour_slots = []
    for hour, calls in sorted(calls_by_hour):
        if calls:
            duty, business = _on_duty(hour), _at_work(hour, ZONES[0])
            hour_slots.append(HourSlot(start=hour, first=first, calls=calls, on_duty=duty, in_business_hours=business))
            first += calls
    return hour_slots


def shifts(plan: SeedPlan) -> Iterator[ShiftStart]:
    """Yield the shift starts of all working days of all periods, from the day before each period."""
    for number, period in enumerate(periods(plan)):
        days = range((period.end - period.start) // _DAY + 3)
        for day in ((period.start - _DAY).date() + n * _DAY for n in days):
            for index, zone in enumerate(ZONES):
                if day.weekday() < 5 or index == 1:  # one zone also works at weekends, when clocks change
                    start = datetime.combine(day, time(8), tzinfo=zone).astimezone(UTC)
                    yield ShiftStart(period=number, zone=index, start=start)


def _spread(total: int, weights: Sequence[int]) -> list[int]:
    """Split ``total`` by weight into integers that add up to it."""
    sums = list(accumulate(weights, initial=0))
    marks = [total * passed // sums[-1] for passed in sums] if weights else []
    return [after - before for before, after in pairwise(marks)]


def _traffic(hour: datetime) -> int:
    """Return the weight of an hour: ten per zone at work, one per other zone."""
    return sum(10 if _at_work(hour, zone) else 1 for zone in ZONES)


def _change_weight(hour: datetime, changes: Sequence[datetime]) -> int:
    """Return the weight of an hour near clock changes: the three hours on either side get most calls."""
    return 12 if any(at - 3 * _HOUR <= hour < at + 3 * _HOUR for at in changes) else 1


def _at_work(hour: datetime, zone: ZoneInfo) -> bool:
    local = hour.astimezone(zone)
    return local.weekday() < 5 and 8 <= local.hour < 19


def _on_duty(hour: datetime) -> tuple[int, ...]:
    working = tuple(index for index, zone in enumerate(ZONES) if _at_work(hour, zone))
    return working or tuple(range(len(ZONES)))
