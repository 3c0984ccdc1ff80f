"""When things happen in the sample data: the days asked for, the latest changes of clocks, office hours by zone.

All of this is plain arithmetic on instants; chance comes in only in the SQL files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

from offtake.lake.seed.plan import SeedPlan

ZONES = tuple(ZoneInfo(name) for name in ("Europe/Lisbon", "America/New_York", "Asia/Tokyo", "Asia/Kolkata", "UTC"))
_CHANGING = ZONES[:2]
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_SHARE = 20  # one call in so many lies around a change of clocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """An unbroken piece of time that agents' states cover; the main one holds the days asked for."""

    start: datetime
    end: datetime
    main: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One hour, the numbers of the calls that begin in it, and the zones where people are at work."""

    start: datetime
    first: int
    calls: int
    on_duty: tuple[int, ...]
    in_business_hours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Eight o'clock in the morning of a working day in one zone."""

    period: int
    zone: int
    start: datetime


def clock_changes(plan: SeedPlan) -> list[datetime]:
    """The latest two changes before the end, in each zone that has them."""
    found: list[datetime] = []
    for zone in _CHANGING:
        own: list[datetime] = []
        at = plan.end
        while len(own) < 2 and plan.end - at < 400 * _DAY:
            earlier = at - _HOUR
            if earlier.astimezone(zone).utcoffset() != at.astimezone(zone).utcoffset():
                own.append(at)
            at = earlier
        found.extend(own)
    return sorted(found)


def periods(plan: SeedPlan) -> list[Period]:
    """The days asked for and a day on either side of each change of clocks, joined where they touch."""
    wanted = [Period(start=plan.start, end=plan.end, main=True)]
    wanted += [Period(start=at - _DAY, end=at + _DAY, main=False) for at in clock_changes(plan)]
    joined: list[Period] = []
    for period in sorted(wanted, key=lambda one: (one.start, one.end)):
        if joined and period.start <= joined[-1].end:
            last = joined.pop()
            end = max(last.end, period.end)
            joined.append(Period(start=last.start, end=min(end, plan.end), main=last.main or period.main))
        else:
            joined.append(Period(start=period.start, end=min(period.end, plan.end), main=period.main))
    return joined


def slots(plan: SeedPlan) -> list[Slot]:
    """Hours with calls in order of time; the calls of all slots together are exactly as many as planned."""
    changes = clock_changes(plan)
    near = [at + n * _HOUR for at in changes for n in range(-24, 24) if at + n * _HOUR < plan.end]
    few = -(-plan.calls // _SHARE) if near else 0
    hours = [plan.start + n * _HOUR for n in range(plan.days * 24)]
    counted = [
        *zip(hours, _spread(plan.calls - few, [_busy(hour) for hour in hours]), strict=True),
        *zip(near, _spread(few, [_closeness(hour, changes) for hour in near]), strict=True),
    ]
    first = 0
    made = []
    for hour, calls in sorted(counted):
        if calls:
            duty, business = _on_duty(hour), _at_work(hour, ZONES[0])
            made.append(Slot(start=hour, first=first, calls=calls, on_duty=duty, in_business_hours=business))
            first += calls
    return made


def shifts(plan: SeedPlan) -> Iterator[Shift]:
    """The mornings of all working days in all stretches, from the day before each on."""
    for number, period in enumerate(periods(plan)):
        days = range((period.end - period.start) // _DAY + 3)
        for day in ((period.start - _DAY).date() + n * _DAY for n in days):
            for index, zone in enumerate(ZONES):
                if day.weekday() < 5 or index == 1:  # one zone works at weekends, when the clocks change
                    start = datetime.combine(day, time(8), tzinfo=zone).astimezone(UTC)
                    yield Shift(period=number, zone=index, start=start)


def _spread(total: int, weights: Sequence[int]) -> list[int]:
    """``total`` split by weight into whole numbers that add up to it."""
    sums = list(accumulate(weights, initial=0))
    marks = [total * passed // sums[-1] for passed in sums] if weights else []
    return [after - before for before, after in pairwise(marks)]


def _busy(hour: datetime) -> int:
    return sum(10 if _at_work(hour, zone) else 1 for zone in ZONES)


def _closeness(hour: datetime, changes: Sequence[datetime]) -> int:
    """The hours next to a change of clocks get most of the calls."""
    return 12 if any(at - 3 * _HOUR <= hour < at + 3 * _HOUR for at in changes) else 1


def _at_work(hour: datetime, zone: ZoneInfo) -> bool:
    local = hour.astimezone(zone)
    return local.weekday() < 5 and 8 <= local.hour < 19


def _on_duty(hour: datetime) -> tuple[int, ...]:
    working = tuple(index for index, zone in enumerate(ZONES) if _at_work(hour, zone))
    return working or tuple(range(len(ZONES)))
