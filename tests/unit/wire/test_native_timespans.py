"""Bounds and periods of the native API, at daylight-saving changes as well."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from offtake.wire.native.timespans import last_period, parse_bound

LISBON, KATHMANDU = "Europe/Lisbon", "Asia/Kathmandu"  # +00:00 and +01:00; +05:45
NOW = datetime(2026, 3, 31, 23, 20, 5, 7, tzinfo=UTC)  # already April in Lisbon, in summer time since 29 March


@pytest.mark.parametrize(
    ("last", "zone", "start", "end"),
    [
        ("1d", "UTC", "2026-03-30T00:00Z", "2026-03-31T00:00Z"),
        ("1d", LISBON, "2026-03-30T23:00Z", "2026-03-31T23:00Z"),
        ("7d", LISBON, "2026-03-25T00:00Z", "2026-03-31T23:00Z"),
        ("1w", LISBON, "2026-03-25T00:00Z", "2026-03-31T23:00Z"),
        ("2h", "UTC", "2026-03-31T21:00Z", "2026-03-31T23:00Z"),
        ("2h", KATHMANDU, "2026-03-31T21:15Z", "2026-03-31T23:15Z"),
        ("1mo", "UTC", "2026-02-01T00:00Z", "2026-03-01T00:00Z"),
        ("14mo", LISBON, "2025-02-01T00:00Z", "2026-03-31T23:00Z"),
        ("previous_day", LISBON, "2026-03-30T23:00Z", "2026-03-31T23:00Z"),
        ("previous_week", "UTC", "2026-03-23T00:00Z", "2026-03-30T00:00Z"),
        ("previous_month", "UTC", "2026-02-01T00:00Z", "2026-03-01T00:00Z"),
        ("previous_month", LISBON, "2026-03-01T00:00Z", "2026-03-31T23:00Z"),
        ("previous_quarter", "UTC", "2025-10-01T00:00Z", "2026-01-01T00:00Z"),
        ("previous_quarter", LISBON, "2026-01-01T00:00Z", "2026-03-31T23:00Z"),
        ("previous_year", LISBON, "2025-01-01T00:00Z", "2026-01-01T00:00Z"),
    ],
)
def test_a_period_is_whole_in_its_zone(last: str, zone: str, start: str, end: str) -> None:
    assert last_period(last, zone, NOW) == (datetime.fromisoformat(start), datetime.fromisoformat(end))


@pytest.mark.parametrize("last", ["", "0d", "7", "d", "7D", "-1d", "10000d", "1y", "previous", "9999mo", "7d "])
def test_a_period_that_is_none(last: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        last_period(last, "UTC", datetime(800, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-01T08:00:00Z", "2026-03-01T08:00Z"),
        ("2026-03-01t08:00:00.5+02:00", "2026-03-01T06:00:00.5Z"),
        ("2026-07-01T08:00", "2026-07-01T07:00Z"),
        ("2026-07-01", "2026-06-30T23:00Z"),
        ("2026-03-29T01:30:00", "2026-03-29T01:30Z"),  # does not occur: the offset before the gap
        ("2026-10-25T01:30:00", "2026-10-25T00:30Z"),  # occurs twice: the first
    ],
)
def test_a_bound_without_an_offset_is_local(text: str, instant: str) -> None:
    assert parse_bound(text, LISBON) == datetime.fromisoformat(instant)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-02-30",
        "20260301",
        "2026-W01",
        "1772323200",
        "2026-03-01T24:00:00Z",
        "2026-03-01T08Z",
        "9999-12-31T23:59:59-23:00",
    ],
)
def test_a_bound_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_bound(text, LISBON)
