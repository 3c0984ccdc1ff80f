"""Timespans are right at every change of clocks, and Python and the engine agree about local time."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import hypothesis
import pytest
from hypothesis import strategies as st

from offtake.catalogue.macros import MACROS
from offtake.errors import InvalidZone, ReversedTimespan
from offtake.model.timespan import Timespan, fixed_zone, resolve, tzinfo_of, zone, zone_names
from tests.strategies import LAST, TICK, ZONES, instants, landmarks, timespans, transitions
from tests.strategies import zone as locked_zone

FIRST_YEAR, LAST_YEAR = 2015, 2027
SHOWN_UNTIL = 2030  # local time is compared with the engine's up to here
MONTH = timedelta(days=31)
NAMES = sorted(zone_names())

# Zones whose local time the engine's database (ICU in DuckDB) and tzdata give differently, from and until which day:
# none with DuckDB 2.0.1 and tzdata 2026.6. docs/reference/lake.md lists the same zones. The test fails when a newer
# DuckDB or tzdata changes this list.
BEHIND: dict[str, tuple[date, date]] = {}


def test_every_wall_time_near_a_change_of_clocks_is_the_earliest_instant_that_shows_it() -> None:
    for name in NAMES:
        for change in _changes(name, 2025):
            for wall_time in _wall_times_near(change, zone(name)):
                assert resolve(wall_time, name) == _meant(wall_time, zone(name), change), (name, wall_time)


def _changes(name: str, first_year: int) -> Iterator[datetime]:
    """Changes of clocks in the server's time zone database."""
    local = zone(name)
    for change in transitions(name, date(first_year, 1, 1), date(LAST_YEAR, 12, 31)):
        if (change - TICK).astimezone(local).utcoffset() != change.astimezone(local).utcoffset():
            yield change


def _wall_times_near(change: datetime, local: ZoneInfo) -> Iterator[datetime]:
    """Wall times just outside, at the bounds of, and inside the gap or the overlap."""
    before, after = _wall(change - TICK, local) + TICK, _wall(change, local)
    low, high = min(before, after), max(before, after)
    for edge in (low, low + (high - low) / 2, high):
        yield from (edge - timedelta(seconds=1), edge - TICK, edge, edge + TICK, edge + timedelta(seconds=1))


def _wall(instant: datetime, local: ZoneInfo) -> datetime:
    return instant.astimezone(local).replace(tzinfo=None)


def _meant(wall_time: datetime, local: ZoneInfo, change: datetime) -> datetime:
    """The earliest instant at which a clock shows the wall time, found with the two offsets around the change."""
    old = (change - TICK).astimezone(local).utcoffset() or timedelta(0)
    new = change.astimezone(local).utcoffset() or timedelta(0)
    candidates = sorted({(wall_time - offset).replace(tzinfo=UTC) for offset in (old, new)})
    shown = [instant for instant in candidates if _wall(instant, local) == wall_time]
    return shown[0] if shown else (wall_time - old).replace(tzinfo=UTC)  # in a gap: the offset before it


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(st.data())
def test_wall_times_with_an_offset_are_absolute(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    instant = data.draw(instants(landmarks("UTC")))
    offset = data.draw(st.integers(-14 * 60, 14 * 60))
    written = instant.astimezone(timezone(timedelta(minutes=offset)))
    assert resolve(written, name) == instant
    assert resolve(written, name).tzinfo is UTC


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(st.sampled_from(ZONES).flatmap(lambda name: timespans(landmarks(name), [name])))
def test_the_length_is_the_shorter_of_elapsed_and_wall_clock_time(span: Timespan) -> None:
    elapsed = span.end - span.start
    shift = _offset(span.end, span.zone) - _offset(span.start, span.zone)
    assert span.length() == elapsed + min(shift, timedelta(0))


def _offset(instant: datetime, name: str) -> timedelta:
    return instant.astimezone(zone(name)).utcoffset() or timedelta(0)


def test_31_local_days_are_31_days_in_every_zone_and_32_are_not() -> None:
    """From local midnight to local midnight, over every change of clocks; a gap at midnight makes no difference."""
    for name in NAMES:
        for change in _changes(name, 2025):
            day = _wall(change, zone(name)).replace(hour=0, minute=0, second=0, microsecond=0)
            for back in (0, 1, 15, 30, 31):
                start = day - timedelta(days=back)
                spans = [
                    Timespan(start=resolve(start, name), end=resolve(start + timedelta(days=days), name), zone=name)
                    for days in (31, 32)
                ]
                assert spans[0].length() <= MONTH < spans[1].length(), (name, start)


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(instants(landmarks("UTC")), st.timedeltas(max_value=timedelta(0), min_value=-MONTH))
def test_a_timespan_without_length_is_refused(start: datetime, length: timedelta) -> None:
    with pytest.raises(ReversedTimespan):
        Timespan(start=start, end=start + length, zone="UTC")


@hypothesis.settings(max_examples=200, deadline=None)
@hypothesis.given(st.text(max_size=8) | st.sampled_from(["CEST", "+01:00", "utc", "europe/prague", "../UTC", "UTC "]))
def test_nothing_but_a_zone_name_is_a_zone(name: str) -> None:
    hypothesis.assume(name not in zone_names())
    with pytest.raises(InvalidZone):
        zone(name)


def test_the_engine_shows_local_time_as_python_does_in_every_zone() -> None:
    """Around every change of clocks of sixteen years and at random instants, in all zones except ``BEHIND``."""
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        wrong = {name: found for name in NAMES if (found := _differences(engine, name))}
    spans = {name: (found[0].date(), found[-1].date()) for name, found in wrong.items()}
    assert spans.keys() == BEHIND.keys(), spans
    for name, (first, last) in spans.items():
        assert BEHIND[name][0] <= first <= last <= BEHIND[name][1], spans
    assert all(first > LAST for first, _ in BEHIND.values())  # so the difference cannot occur in other tests


def test_a_midnight_of_the_reports_is_the_instant_that_a_request_means_by_it() -> None:
    """The macro ``instant_of_midnight``, around every change of clocks: some midnights occur twice, some never."""
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.execute(MACROS)
        for name in NAMES:
            midnights = sorted(_midnights(name))
            found = engine.execute(
                "SELECT epoch_us(instant_of_midnight(make_timestamp(wall_time), $zone)) "
                "FROM (SELECT unnest($wall_times) AS wall_time)",
                {"zone": name, "wall_times": [_microseconds(midnight.replace(tzinfo=UTC)) for midnight in midnights]},
            ).fetchall()
            meant = [_microseconds(resolve(midnight, name)) for midnight in midnights]
            assert [instant for (instant,) in found] == meant, name


def _midnights(name: str) -> Iterator[datetime]:
    """The local midnights of the days around each change of clocks that the engine's database contains."""
    known = BEHIND[name][0] - timedelta(days=3) if name in BEHIND else date(SHOWN_UNTIL, 12, 1)
    for change in transitions(name, date(FIRST_YEAR, 1, 1), date(SHOWN_UNTIL, 12, 31)):
        if change.date() >= known:
            continue
        day = _wall(change, locked_zone(name)).replace(hour=0, minute=0, second=0, microsecond=0)
        yield from (day + timedelta(days=days) for days in (-1, 0, 1))


def test_the_manual_lists_the_zones_in_which_the_engine_is_behind() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/lake.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/]+)` \| (\S+) \| (\S+) \|", page.partition("## Time zones")[2], re.MULTILINE)
    assert {name: (date.fromisoformat(first), date.fromisoformat(last)) for name, first, last in rows} == BEHIND


def _differences(engine: duckdb.DuckDBPyConnection, name: str) -> list[datetime]:
    """The instants for which the engine and Python show different local times."""
    moments = sorted(_moments(name))
    shown = engine.execute(
        "SELECT strftime(make_timestamptz(moment) AT TIME ZONE $zone, '%Y-%m-%d %H:%M:%S.%f') "
        "FROM (SELECT unnest($moments) AS moment)",
        {"zone": name, "moments": [_microseconds(moment) for moment in moments]},
    ).fetchall()
    local = locked_zone(name)
    expected = (_wall(moment, local).isoformat(sep=" ", timespec="microseconds") for moment in moments)
    return [moment for moment, (text,), right in zip(moments, shown, expected, strict=True) if text != right]


def _moments(name: str) -> set[datetime]:
    chance = random.Random(name)  # deterministic
    first, last = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(SHOWN_UNTIL, 12, 31, tzinfo=UTC)
    anywhere = {first + timedelta(microseconds=chance.randrange((last - first) // TICK)) for _ in range(30)}
    months = {first + timedelta(days=15 * number) for number in range((last - first) // timedelta(days=15))}
    nudges = [timedelta(seconds=hours * 3600) + tick for hours in (-1, 0, 1) for tick in (-TICK, timedelta(0), TICK)]
    changes = transitions(name, first.date(), last.date())
    return anywhere | months | {change + nudge for change in changes for nudge in nudges}


def _microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // TICK


@hypothesis.given(st.integers(-86_399, 86_399).map(lambda seconds: timedelta(seconds=seconds)))
def test_a_fixed_offset_comes_back_from_its_name(offset: timedelta) -> None:
    name = fixed_zone(offset)
    assert tzinfo_of(name).utcoffset(None if offset else datetime(2026, 3, 1, tzinfo=UTC)) == offset
    assert (
        Timespan(start=datetime(2026, 3, 1, tzinfo=UTC), end=datetime(2026, 4, 1, tzinfo=UTC), zone=name).zone == name
    )


@pytest.mark.parametrize("offset", [timedelta(days=1), timedelta(days=-1), timedelta(milliseconds=1)])
def test_an_offset_is_whole_seconds_of_less_than_a_day(offset: timedelta) -> None:
    with pytest.raises(ValueError, match="whole seconds"):
        fixed_zone(offset)


@pytest.mark.parametrize("name", ["GMT+05:30", "UTC+05:30", "+05:30", "GMT+5"])
def test_an_offset_is_not_a_zone_that_a_request_may_name(name: str) -> None:
    with pytest.raises(InvalidZone):
        zone(name)
