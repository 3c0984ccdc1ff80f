"""Creating a job, ``POST /data/reports/{type}/jobs`` (Talkdesk contract 2.2)."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import PUBLIC_URL
from tests.contract.talkdesk.rows import REPORTS
from tests.fixtures.bodies import assert_refused
from tests.fixtures.golden import golden
from tests.fixtures.installation import Served
from tests.fixtures.talkdesk import Credential, TalkdeskWire

SPAN = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@pytest.fixture(scope="module")
def client(idle: Served) -> Iterator[TalkdeskWire]:
    with idle.client(idle.tenant("create")) as made:
        yield made


def accepted(client: TalkdeskWire, body: dict[str, Any], report: str = "calls") -> dict[str, Any]:
    """Create a job, which has to be accepted, and return its document; the job is cancelled to free the quota."""
    answer = client.send_create(report, body)
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()
    assert client.cancel(report, document["job"]["id"]).status_code == 204
    return document


def span(client: TalkdeskWire, start: str, end: str, **body: Any) -> dict[str, str]:
    """Return the timespan as the server understood it."""
    understood: dict[str, str] = accepted(client, {"timespan": {"from": start, "to": end}, **body})["job"]["timespan"]
    return understood


def test_the_202_field_by_field(client: TalkdeskWire) -> None:
    """Talkdesk contract 2.2, documented: id, name, timezone, status, format, timespan; seen: type and created_at, all
    under ``job``."""
    before = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    body = {"name": "march calls", "timezone": "Europe/Prague", "format": "csv", "timespan": SPAN}
    answer = client.send_create("calls", body)
    assert answer.status_code == 202
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    job = document["job"]
    assert re.fullmatch(UUID, job["id"])
    made = datetime.fromisoformat(job["created_at"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", job["created_at"])
    assert before <= made <= datetime.now(UTC).replace(tzinfo=None)
    fields = {
        "id": job["id"],
        "name": "march calls",
        "type": "calls",
        "status": "created",
        "timezone": "Europe/Prague",
        "format": "csv",
        "timespan": SPAN,
        "created_at": job["created_at"],
    }
    assert document == {
        **fields,  # for clients that follow the vendor's table, which lists them without nesting
        "job": fields,
        "_links": {
            "self": {"href": f"{PUBLIC_URL}/data/reports/calls/jobs/{job['id']}"},
            "files": {"href": f"{PUBLIC_URL}/data/reports/calls/files/{job['id']}"},
        },
    }
    assert client.cancel("calls", job["id"]).status_code == 204


def test_without_a_public_url_links_repeat_the_host_of_the_request(busy: Served) -> None:
    """Talkdesk contract 2.2, proposed: hrefs are absolute; a client requests them as they are."""
    with busy.client(busy.tenant("host")) as client:
        body = {"timespan": {"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"}}
        headers = {**client.headers, "Host": "exports.example.net:8443"}
        document = client.http.post("/data/reports/calls/jobs", json=body, headers=headers).json()
    path = f"/data/reports/calls/jobs/{document['job']['id']}"
    assert document["_links"]["self"]["href"] == f"http://exports.example.net:8443{path}"


def test_create_answers_before_the_export_runs(client: TalkdeskWire) -> None:
    """Talkdesk contract 2.2, documented: 202 and a job, however long the export takes; this server has no worker."""
    document = accepted(client, {"timespan": SPAN})
    assert document["job"]["status"] == "created"


SPELLINGS = [
    golden("2.2", "seen", "naive", "2026-03-01T00:00:00", "2026-03-01T00:00:00Z"),
    golden("2.2", "seen", "z", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"),
    golden("2.2", "seen", "milliseconds", "2026-03-01T00:00:00.000Z", "2026-03-01T00:00:00Z"),
    golden("2.2", "seen", "microseconds", "2026-03-01T00:00:00.123456Z", "2026-03-01T00:00:00.123456Z"),
    golden("2.2", "seen", "offset-east", "2026-03-01T00:00:00+02:00", "2026-02-28T22:00:00Z"),
    golden("2.2", "seen", "offset-west", "2026-03-01T00:00:00-03:30", "2026-03-01T03:30:00Z"),
    golden("2.2", "proposed", "blank-for-t", "2026-03-01 00:00:00", "2026-03-01T00:00:00Z"),
    golden("2.2", "inferred", "blank-and-fraction-and-z", "2026-03-01 00:00:00.5Z", "2026-03-01T00:00:00.500000Z"),
    golden("2.2", "inferred", "nanoseconds-are-cut", "2026-03-01T00:00:00.123456789Z", "2026-03-01T00:00:00.123456Z"),
]


@pytest.mark.parametrize(("text", "understood"), SPELLINGS)
def test_every_spelling_of_a_datetime_is_accepted(text: str, understood: str, client: TalkdeskWire) -> None:
    assert span(client, text, "2026-03-05T00:00:00Z")["from"] == understood
    later = text.replace("2026-03-01", "2026-03-08")
    wanted = datetime.fromisoformat(understood) + timedelta(days=7)
    assert datetime.fromisoformat(span(client, "2026-02-27T00:00:00Z", later)["to"]) == wanted


NO_DATETIMES = [
    golden("2.2", "proposed", "date-only", "2026-03-01"),
    golden("2.2", "inferred", "empty", ""),
    golden("2.2", "inferred", "no-such-day", "2026-02-30T00:00:00Z"),
    golden("2.2", "inferred", "no-such-hour", "2026-03-01T25:00:00Z"),
    golden("2.2", "inferred", "no-such-second", "2026-03-01T00:00:61Z"),
    golden("2.2", "inferred", "no-such-offset", "2026-03-01T00:00:00+25:00"),
    golden("2.2", "inferred", "epoch-as-text", "1772323200"),
    golden("2.2", "inferred", "epoch-as-number", 1_772_323_200),
    golden("2.2", "inferred", "week-date", "2026-W09-7T00:00:00Z"),
    golden("2.2", "inferred", "zone-name-inside", "2026-03-01T00:00:00[Europe/Prague]"),
    golden("2.2", "inferred", "other-digits", "٢٠٢٦-03-01T00:00:00Z"),
    golden("2.2", "inferred", "year-zero", "0000-03-01T00:00:00Z"),
    golden("2.2", "inferred", "null", None),
    golden("2.2", "inferred", "list", ["2026-03-01T00:00:00Z"]),
]


@pytest.mark.parametrize("value", NO_DATETIMES)
@pytest.mark.parametrize("bound", ["from", "to"])
def test_an_invalid_datetime_is_refused_with_the_name_of_its_field(
    bound: str, value: object, client: TalkdeskWire
) -> None:
    body = json.dumps({"timespan": {**SPAN, bound: value}})
    answer = client.http.post("/data/reports/calls/jobs", content=body, headers=client.headers)
    assert_refused(answer, 400, "1020001", [f"timespan[{bound}]"])
    assert len(answer.json()["fields"]) == 1


FAR_AWAY = [
    golden("2.2", "inferred", "first-year-east", "0001-01-01T00:00:00", "0001-01-02T00:00:00", "Asia/Tokyo"),
    golden("2.2", "inferred", "first-year-west", "0001-01-01T00:00:00Z", "0001-01-02T00:00:00Z", "America/New_York"),
    golden("2.2", "inferred", "last-year-west", "9999-12-31T00:00:00", "9999-12-31T23:59:59", "America/New_York"),
    golden("2.2", "inferred", "last-year-east", "9999-12-31T00:00:00Z", "9999-12-31T23:59:59Z", "Asia/Tokyo"),
]


@pytest.mark.parametrize(("start", "end", "zone"), FAR_AWAY)
def test_bounds_at_the_ends_of_the_calendar_are_refused_without_an_error(
    start: str, end: str, zone: str, client: TalkdeskWire
) -> None:
    answer = client.send_create("calls", {"timezone": zone, "timespan": {"from": start, "to": end}})
    assert_refused(answer, 400, "1020001", ["timespan[from]", "timespan[to]"])


ZONES = [
    golden("2.2", "documented", "top-level", {"timezone": "Europe/Prague"}, None, "Europe/Prague"),
    golden("2.2", "seen", "airbyte-inside-timespan", {}, "Europe/Prague", "Europe/Prague"),
    golden("2.2", "proposed", "both", {"timezone": "Asia/Kolkata"}, "Europe/Prague", "Asia/Kolkata"),
    golden("2.2", "proposed", "top-level-over-a-wrong-one", {"timezone": "UTC"}, "Nowhere/Land", "UTC"),
    golden("2.2", "seen", "absent", {}, None, "UTC"),
    golden("2.2", "proposed", "null", {"timezone": None}, None, "UTC"),
    golden("2.2", "inferred", "link-name", {"timezone": "US/Eastern"}, None, "US/Eastern"),
]


@pytest.mark.parametrize(("top", "inside", "zone"), ZONES)
def test_the_zone_is_read_from_every_position_that_clients_use(
    top: dict[str, Any], inside: str | None, zone: str, client: TalkdeskWire
) -> None:
    timespan = {"from": "2026-03-01T00:00:00", "to": "2026-03-02T00:00:00"} | ({"timezone": inside} if inside else {})
    job = accepted(client, {**top, "timespan": timespan})["job"]
    assert job["timezone"] == zone
    offset = {"Europe/Prague": "2026-02-28T23:00:00Z", "Asia/Kolkata": "2026-02-28T18:30:00Z"}
    offset |= {"UTC": "2026-03-01T00:00:00Z", "US/Eastern": "2026-03-01T05:00:00Z"}
    assert job["timespan"]["from"] == offset[zone]
    assert job["timespan"].keys() == {"from", "to"}


@pytest.mark.parametrize(
    "zone",
    ["Nowhere/Land", "+02:00", "UTC+2", "CEST", "europe/prague", "localtime", "../../etc/passwd", "x" * 5000],
)
@pytest.mark.parametrize("inside", [False, True])
def test_a_zone_that_is_no_iana_name_is_1020016(zone: str, inside: bool, client: TalkdeskWire) -> None:
    """Talkdesk contract 2.2, documented code; which names are refused is proposed."""
    body = {"timespan": {**SPAN, "timezone": zone}} if inside else {"timezone": zone, "timespan": SPAN}
    assert_refused(client.send_create("calls", body), 400, "1020016")


def test_naive_bounds_are_wall_clock_time_in_the_zone_of_the_job(client: TalkdeskWire) -> None:
    """Talkdesk contract 5.4, proposed; of a repeated hour the first one counts, and a missing hour is moved forward."""
    prague = {"timezone": "Europe/Prague"}
    assert span(client, "2026-03-28T00:00:00", "2026-03-30T00:00:00", **prague) == {
        "from": "2026-03-27T23:00:00Z",
        "to": "2026-03-29T22:00:00Z",
    }
    assert span(client, "2026-10-25T02:30:00", "2026-10-25T03:30:00", **prague) == {
        "from": "2026-10-25T00:30:00Z",
        "to": "2026-10-25T02:30:00Z",
    }
    assert span(client, "2026-03-29T02:30:00", "2026-03-29T04:00:00", **prague)["from"] == "2026-03-29T01:30:00Z"


def test_each_bound_is_resolved_on_its_own(client: TalkdeskWire) -> None:
    """Talkdesk contract 2.2, seen: Airbyte sends its cursor with Z and the current time as naive local time."""
    understood = span(client, "2026-03-01T00:00:00Z", "2026-03-02T00:00:00", timezone="Europe/Prague")
    assert understood == {"from": "2026-03-01T00:00:00Z", "to": "2026-03-01T23:00:00Z"}
    answer = client.send_create(
        "calls",
        {"timezone": "Asia/Tokyo", "timespan": {"from": "2026-03-01T00:00:00Z", "to": "2026-03-01T09:00:00"}},
    )
    assert_refused(answer, 400, "1020005")


NAMES = [
    golden("2.2", "seen", "absent", {}, "calls", "Calls"),
    golden("2.2", "proposed", "absent-user-status", {}, "user_status", "User Status"),
    golden("2.2", "proposed", "null", {"name": None}, "calls", "Calls"),
    golden("2.2", "seen", "capital-n-is-ignored", {"Name": "mine"}, "calls", "Calls"),
    golden("2.2", "documented", "given", {"name": "ring 'n\" run 🙂\n"}, "calls", "ring 'n\" run 🙂\n"),
]


@pytest.mark.parametrize(("body", "report", "name"), NAMES)
def test_the_name_is_optional(body: dict[str, Any], report: str, name: str, client: TalkdeskWire) -> None:
    assert accepted(client, {**body, "timespan": SPAN}, report)["job"]["name"] == name


@pytest.mark.parametrize(
    ("body", "word"),
    [
        golden("2.2", "documented", "absent", {}, "csv"),
        golden("2.2", "proposed", "null", {"format": None}, "csv"),
        golden("2.2", "documented", "csv", {"format": "csv"}, "csv"),
        golden("2.2", "documented", "json", {"format": "json"}, "json"),
        golden("2.2", "documented", "json-bulk", {"format": "json_bulk"}, "json_bulk"),
        golden("2.2", "proposed", "upper-case", {"format": "JSON"}, "json"),
        golden("2.2", "proposed", "mixed-case", {"format": "Json_Bulk"}, "json_bulk"),
    ],
)
def test_the_format(body: dict[str, Any], word: str, client: TalkdeskWire) -> None:
    assert accepted(client, {**body, "timespan": SPAN})["job"]["format"] == word


@pytest.mark.parametrize("value", ["xlsx", "parquet", "json_lines", " csv", 7, ["csv"]])
def test_an_unknown_format_is_refused_with_the_name_of_its_field(value: object, client: TalkdeskWire) -> None:
    """Talkdesk contract 2.2, documented code and field."""
    assert_refused(client.send_create("calls", {"format": value, "timespan": SPAN}), 400, "1020001", ["format"])


def test_unknown_keys_are_ignored(client: TalkdeskWire) -> None:
    """Talkdesk contract 2.2, proposed."""
    body = {"timespan": {**SPAN, "unit": "day"}, "filters": [1], "entries": {}, "report_type": "contacts"}
    assert accepted(client, body)["job"]["type"] == "calls"


def test_all_faulty_fields_are_named_at_once(client: TalkdeskWire) -> None:
    answer = client.send_create("calls", {"format": "xlsx", "timespan": {"from": "2026-03-01", "to": "tomorrow"}})
    assert_refused(answer, 400, "1020001", ["format", "timespan[from]", "timespan[to]"])


MISSING = [
    golden("2.2", "documented", "no-timespan", {}, ["timespan[from]", "timespan[to]"]),
    golden("2.2", "documented", "empty-timespan", {"timespan": {}}, ["timespan[from]", "timespan[to]"]),
    golden("2.2", "proposed", "null-timespan", {"timespan": None}, ["timespan[from]", "timespan[to]"]),
    golden("2.2", "proposed", "list-for-a-timespan", {"timespan": []}, ["timespan[from]", "timespan[to]"]),
    golden("2.2", "documented", "no-from", {"timespan": {"to": SPAN["to"]}}, ["timespan[from]"]),
    golden("2.2", "documented", "no-to", {"timespan": {"from": SPAN["from"]}}, ["timespan[to]"]),
]


@pytest.mark.parametrize(("body", "fields"), MISSING)
def test_missing_bounds_are_named(body: dict[str, Any], fields: list[str], client: TalkdeskWire) -> None:
    answer = client.send_create("calls", body)
    assert_refused(answer, 400, "1020001", fields)
    assert len(answer.json()["fields"]) == len(fields)


NOT_A_REQUEST = [
    golden("4", "proposed", "empty", b""),
    golden("4", "proposed", "no-json", b"{"),
    golden("4", "proposed", "a-form", b"format=csv&name=x"),
    golden("4", "proposed", "not-utf-8", b'{"name": "\xff\xfe\xfa"}'),
    golden("4", "proposed", "array", b"[]"),
    golden("4", "proposed", "text", b'"calls"'),
    golden("4", "proposed", "number", b"1"),
    golden("4", "proposed", "null", b"null"),
    golden("4", "proposed", "deeply-nested", b"[" * 30_000),
    golden("4", "proposed", "huge-number", b'{"timespan": ' + b"9" * 20_000 + b"}"),
    golden("4", "proposed", "timespan-is-text", b'{"timespan": "today"}'),
    golden("4", "proposed", "timespan-is-null", b'{"timespan": null}'),
    golden("4", "proposed", "name-is-a-number", json.dumps({"name": 7, "timespan": SPAN}).encode()),
    golden("4", "proposed", "name-with-half-a-character", json.dumps({"name": "\ud800", "timespan": SPAN}).encode()),
    golden("4", "proposed", "zone-with-nul", json.dumps({"timezone": "a\0b", "timespan": SPAN}).encode()),
    golden("4", "proposed", "zone-is-a-number", json.dumps({"timezone": 7, "timespan": SPAN}).encode()),
]


@pytest.mark.parametrize("body", NOT_A_REQUEST)
def test_an_invalid_body_is_1020001(body: bytes, client: TalkdeskWire) -> None:
    assert_refused(client.http.post("/data/reports/calls/jobs", content=body, headers=client.headers), 400, "1020001")


@pytest.mark.parametrize("announced", [True, False])
def test_a_huge_body_is_413_as_json(announced: bool, client: TalkdeskWire) -> None:
    """Talkdesk contract 4, proposed: a status that the vendor does not list has the same shape."""
    body = b'{"name": "' + b"x" * 200_000 + b'"}'
    content: Any = body if announced else iter([body[:100_000], body[100_000:]])
    answer = client.http.post("/data/reports/calls/jobs", content=content, headers=client.headers)
    assert_refused(answer, 413, "1020000")


LENGTHS = [
    golden("2.2", "proposed", "exactly-31-days", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "UTC", True),
    golden("2.2", "documented", "a-second-more", "2026-01-01T00:00:00Z", "2026-02-01T00:00:01Z", "UTC", False),
    golden("2.2", "inferred", "a-blink-more", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00.000001Z", "UTC", False),
    golden(
        "2.2", "inferred", "31-local-days-spring", "2026-03-15T00:00:00", "2026-04-15T00:00:00", "Europe/Prague", True
    ),
    golden(
        "2.2", "inferred", "31-local-days-autumn", "2026-10-10T00:00:00", "2026-11-10T00:00:00", "Europe/Prague", True
    ),
    golden(
        "2.2", "inferred", "autumn-a-second-more", "2026-10-10T00:00:00", "2026-11-10T00:00:01", "Europe/Prague", False
    ),
    golden(
        "2.2", "inferred", "spring-32-local-days", "2026-03-15T00:00:00", "2026-04-16T00:00:00", "Europe/Prague", False
    ),
    golden("2.2", "documented", "a-year", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "UTC", False),
]


@pytest.mark.parametrize(("start", "end", "zone", "allowed"), LENGTHS)
def test_a_timespan_has_at_most_31_days(start: str, end: str, zone: str, allowed: bool, client: TalkdeskWire) -> None:
    """A client divides its timespan into pieces of exactly 31 days."""
    answer = client.send_create("calls", {"timezone": zone, "timespan": {"from": start, "to": end}})
    if not allowed:
        assert_refused(answer, 400, "1020013")
        return
    assert answer.status_code == 202, answer.text
    assert client.cancel("calls", answer.json()["job"]["id"]).status_code == 204


def test_the_end_may_lie_in_the_future(client: TalkdeskWire) -> None:
    """Talkdesk contract 2.2, seen: clients ask until now, or until the end of today."""
    now = datetime.now(UTC)
    bounds = [f"{now + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}" for days in (-1, 20)]
    assert span(client, *bounds) == dict(zip(("from", "to"), bounds, strict=True))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        golden("2.2", "documented", "reversed", "2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z"),
        golden("2.2", "proposed", "equal", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"),
        golden("2.2", "proposed", "equal-in-two-spellings", "2026-03-01T02:00:00+02:00", "2026-03-01 00:00:00.000Z"),
        golden("2.2", "inferred", "equal-up-to-microseconds", "2026-03-01T00:00:00.0000001Z", "2026-03-01T00:00:00Z"),
    ],
)
def test_the_end_must_be_later_than_the_start(start: str, end: str, client: TalkdeskWire) -> None:
    assert_refused(client.send_create("calls", {"timespan": {"from": start, "to": end}}), 400, "1020005")


# In the sequence of the checks (Talkdesk contract 2.2, proposed): the fault, its status and its code.
FAULTS = {
    "token": (401, "1020018"),
    "scope": (403, "1020004"),
    "slug": (400, "1020001"),
    "body": (400, "1020001"),
    "zone": (400, "1020016"),
    "reversed": (400, "1020005"),
    "long": (400, "1020013"),
    "quota": (429, "1020017"),
}
FIELD = {"slug": "report_type", "body": "format"}


@pytest.fixture(scope="module")
def full(idle: Served) -> Iterator[tuple[TalkdeskWire, str]]:
    """A tenant with an exhausted quota: a client with the write scope, and the token of one without it."""
    tenant = idle.tenant("full")
    with idle.client(tenant) as client:
        for _ in range(15):
            client.create("calls", SPAN["from"], SPAN["to"])
        reader = idle.installation.add_client(tenant.tenant, scopes=["read"])
        with idle.client(reader) as other:
            yield client, other.token


def _faulty(full: tuple[TalkdeskWire, str], faults: set[str]) -> httpx.Response:
    """Send a create with these faults, for a tenant with an exhausted quota."""
    client, reader = full
    token = "nonsense" if "token" in faults else reader if "scope" in faults else client.token
    end = "2026-06-01T00:00:00Z" if "long" in faults else SPAN["to"]
    start = "2026-06-02T00:00:00Z" if "reversed" in faults else SPAN["from"]
    body = {
        "format": "xlsx" if "body" in faults else "csv",
        "timezone": "Nowhere/Land" if "zone" in faults else "UTC",
        "timespan": {"from": start, "to": end},
    }
    report = "no_such_report" if "slug" in faults else "calls"
    headers = {"Authorization": f"Bearer {token}"}
    return client.http.post(f"/data/reports/{report}/jobs", json=body, headers=headers)


@pytest.mark.parametrize("faults", list(itertools.combinations_with_replacement(FAULTS, 2)), ids="-hides-".join)
def test_the_first_fault_alone_is_reported(faults: tuple[str, str], full: tuple[TalkdeskWire, str]) -> None:
    first = faults[0]
    status, code = FAULTS[first]
    assert_refused(_faulty(full, set(faults)), status, code, [FIELD[first]] if first in FIELD else [])


def test_an_exceeded_quota_has_a_retry_after(full: tuple[TalkdeskWire, str]) -> None:
    """Talkdesk contract 3, documented: 15 unfinished jobs of all types together; the header is proposed."""
    client, _ = full
    for report in ("calls", "user_status"):
        answer = client.send_create(report, {"timespan": SPAN})
        assert_refused(answer, 429, "1020017")
        assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_a_refused_create_leaves_no_job(idle: Served) -> None:
    """Talkdesk contract 3, proposed: refusals do not count towards the quota."""
    tenant: Credential = idle.tenant("refused")
    with idle.client(tenant) as client:
        for _ in range(20):
            assert_refused(
                client.send_create("calls", {"timespan": {"from": SPAN["to"], "to": SPAN["from"]}}), 400, "1020005"
            )
        for _ in range(15):
            client.create("calls", SPAN["from"], SPAN["to"])
        assert_refused(client.send_create("calls", {"timespan": SPAN}), 429, "1020017")


MEDIA = [
    golden("4", "documented", "json", "application/json", 202),
    golden("4", "inferred", "json-with-charset", "application/json; charset=utf-8", 202),
    golden("4", "inferred", "json-of-a-kind", "application/vnd.example+json", 202),
    golden("4", "proposed", "curl-without-a-header", "application/x-www-form-urlencoded", 202),
    golden("4", "proposed", "text", "text/plain", 202),
    golden("4", "proposed", "xml", "application/xml", 415),
    golden("4", "proposed", "parts", "multipart/form-data; boundary=x", 415),
    golden("4", "proposed", "nonsense", "nonsense", 415),
]


@pytest.mark.parametrize(("media", "status"), MEDIA)
def test_a_body_of_another_type_is_415(media: str, status: int, client: TalkdeskWire) -> None:
    """Talkdesk contract 4, proposed: 415 in the shape of all errors, but only for a body with another media type than
    JSON."""
    headers = {**client.headers, "Content-Type": media}
    answer = client.http.post("/data/reports/calls/jobs", content=json.dumps({"timespan": SPAN}), headers=headers)
    if status == 415:
        assert_refused(answer, 415, "1020000")
    else:
        assert answer.status_code == status
        assert client.cancel("calls", answer.json()["job"]["id"]).status_code == 204


def test_authentication_precedes_the_checks_of_report_and_body(client: TalkdeskWire) -> None:
    """Talkdesk contract 2.2, proposed: authentication, then the slug, then the body."""
    media = {"Content-Type": "application/xml"}
    assert_refused(client.http.post("/data/reports/calls/jobs", content="<a/>", headers=media), 401, "1020018")
    headers = {**client.headers, **media}
    answer = client.http.post("/data/reports/nothing/jobs", content="<a/>", headers=headers)
    assert_refused(answer, 400, "1020001", ["report_type"])


ALIASES = [
    golden("2.1", "seen", "python-apis", "feedback_flow", "feedback"),
    golden("2.1", "seen", "airflow", "advanced_dialer_calls_report", "outbound_dialer_calls"),
    golden("2.1", "proposed", "adherence", "wfm_schedule_adherence", "adherence"),
    golden("2.1", "proposed", "timeseries", "wfm_timeseries", "timeseries_report"),
]


@pytest.mark.parametrize(("alias", "slug"), ALIASES)
def test_an_alias_creates_a_job_of_the_report(alias: str, slug: str, client: TalkdeskWire) -> None:
    """Talkdesk contract 2.1, proposed: the answers carry the report's own slug, and the job is found under either
    name."""
    document = client.send_create(alias, {"timespan": SPAN}).json()
    job = document["job"]["id"]
    assert document["job"]["type"] == slug
    assert f"/{slug}/" in document["_links"]["self"]["href"]
    assert client.status(alias, job) == client.status(slug, job) == "created"
    assert client.cancel(alias, job).status_code == 204


@pytest.mark.parametrize("slug", REPORTS)
def test_every_type_of_report_can_be_created(slug: str, client: TalkdeskWire) -> None:
    """Talkdesk contract 2.1 and 6."""
    assert accepted(client, {"timespan": SPAN}, slug)["job"]["type"] == slug
