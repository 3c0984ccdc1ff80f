"""The rows of a job for every spelling of its bounds and every position of the zone, across both changes of clocks.

The expected rows are calculated here, from the two offsets of Prague, without zone data and without the product.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.fixtures.care import call
from tests.fixtures.installation import Served
from tests.fixtures.talkdesk import TalkdeskWire

ZONE = "Europe/Prague"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# In 2026 clocks in Prague go from UTC+1 to UTC+2 on 29 March at 01:00 UTC, and back on 25 October at 01:00 UTC.
FORWARD, BACK = datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)
STEP = timedelta(minutes=30)
# A call every half hour, from a day and a half before each change to as long after it.
CALLS = {
    f"{change:%m%d} {number:+04}": change + number * STEP for change in (FORWARD, BACK) for number in range(-72, 73)
}


def written(wall_time: datetime, spelling: str, ending: str) -> str:
    """Write a bound as a client does."""
    text = wall_time.strftime("%Y-%m-%d %H:%M:%S" if spelling == "blank" else "%Y-%m-%dT%H:%M:%S")
    return text + {"milliseconds": ".000", "microseconds": ".000001"}.get(spelling, "") + ending


SPELLINGS = ("seconds", "milliseconds", "microseconds", "blank")
ENDINGS = (("", ""), ("Z", "Z"), ("+02:00", "+02:00"), ("Z", ""))  # of both bounds; the last pair is Airbyte's
POSITIONS = ("top", "inside")
# Wall times: a day that contains the change, and hours that begin in the repeated or missing hour.
SPANS = {
    "spring-day": ("2026-03-29T00:00:00", "2026-03-30T00:00:00"),
    "spring-gap": ("2026-03-29T02:30:00", "2026-03-29T05:00:00"),
    "autumn-day": ("2026-10-25T00:00:00", "2026-10-26T00:00:00"),
    "autumn-twice": ("2026-10-25T02:30:00", "2026-10-25T05:00:00"),
}


def instant(wall_time: datetime, ending: str) -> datetime:
    """Return the instant of a bound: by its ending, or else as local time of Prague: the first of two instants, or for
    a missing wall time the one by the offset before the gap."""
    utc = wall_time.replace(tzinfo=UTC)
    if ending:
        return utc if ending == "Z" else utc - timedelta(hours=2)
    winter, summer = utc - timedelta(hours=1), utc - timedelta(hours=2)
    if FORWARD <= summer < BACK:  # summer time; also the first of a repeated hour
        return summer
    return winter


@pytest.fixture(scope="module")
def client(busy: Served) -> Iterator[TalkdeskWire]:
    tenant = busy.tenant("bounds")
    busy.installation.load("call", [call(name, at.isoformat()) for name, at in CALLS.items()], tenant=tenant.tenant)
    with busy.client(tenant) as made:
        yield made


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("span", SPANS)
def test_every_spelling_of_a_bound_selects_the_calculated_rows(span: str, position: str, client: TalkdeskWire) -> None:
    """Talkdesk contract 2.2, 3 and 5.4: inclusive start, exclusive end; each bound is resolved by itself."""
    start, end = (datetime.fromisoformat(text) for text in SPANS[span])
    wanted, jobs = {}, {}
    combinations = list(itertools.product(SPELLINGS, ENDINGS))
    for batch in (combinations[:8], combinations[8:]):  # the quota is fifteen
        for spelling, (first, last) in batch:
            body = {
                "format": "json",
                "timespan": {"from": written(start, spelling, first), "to": written(end, spelling, last)},
            }
            (body if position == "top" else body["timespan"])["timezone"] = ZONE  # type: ignore[index]
            tick = timedelta(microseconds=1 if spelling == "microseconds" else 0)
            low, high = instant(start, first) + tick, instant(end, last) + tick
            answer = client.send_create("calls", body)
            assert answer.status_code == 202, (answer.text, body)
            jobs[spelling, (first, last)] = answer.json()["job"]["id"]
            wanted[spelling, (first, last)] = sorted(name for name, at in CALLS.items() if low <= at < high)
        for combination in batch:
            assert client.wait("calls", jobs[combination]) == "done"
    for combination, job in jobs.items():
        entries = json.loads(client.download("calls", job).content)["entries"]
        assert sorted(entry["call_id"] for entry in entries) == wanted[combination], combination
    assert len({len(names) for names in wanted.values()}) > 1
    assert all(wanted.values())
