"""The rules that refuse a create (Loop contract 5.2), and valid requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from offtake.core.admin import identity
from offtake.model.job import Job
from offtake.model.tenant import Tenant
from offtake.store import job_queries
from tests.fixtures import loop
from tests.fixtures.golden import golden
from tests.fixtures.in_process import InProcess, in_process
from tests.fixtures.loop import END, START, LoopWire, assert_refused

DAY = 86_400
PATIENT = "[loop]\ncreates_per_minute = 100000\nreads_per_minute = 100000\nopen_jobs = 1000\n"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    with in_process(tmp_path_factory.mktemp("create"), PATIENT) as made:
        identity.add_tenant(Tenant(name="acme", zone="Europe/Prague"), made.on)
        yield made


@pytest.fixture(scope="module")
def client(here: InProcess) -> LoopWire:
    return LoopWire(here.http, {"Authorization": f"Bearer {loop.token(here.installation, 'acme')}"})


def stored(here: InProcess, answer: httpx.Response) -> Job:
    """Return the job that the server stored."""
    assert answer.status_code == 200, answer.text
    with here.on.database.read() as connection:
        found = job_queries.get(connection, answer.json()["id"])
    assert found is not None
    return found


def body(**changes: Any) -> dict[str, Any]:
    """Return a valid body with these changes; None removes a field."""
    return {name: value for name, value in ({"start": START, "end": END} | changes).items() if value is not ...}


FAULTS = [
    golden("5.2-V2", "proposed", "no-start", body(start=...), "InvalidRequest", "start"),
    golden("5.2-V2", "proposed", "no-end", body(end=...), "InvalidRequest", "end"),
    golden("5.2-V2", "proposed", "null", body(start=None), "InvalidRequest", "start"),
    golden("5.2-V2", "proposed", "numeric-text", body(end=str(END)), "InvalidRequest", "end"),
    golden("5.2-V2", "proposed", "fraction", body(end=END + 0.5), "InvalidRequest", "end"),
    golden("5.2-V2", "proposed", "true", body(start=True), "InvalidRequest", "start"),
    golden("5.2-V2", "proposed", "list", body(start=[START]), "InvalidRequest", "start"),
    golden("5.2-V3", "proposed", "negative", body(start=-1), "InvalidPeriod", "start"),
    golden("5.2-V4", "proposed", "just-too-late", body(end=100_000_000_000), "InvalidPeriod", "end"),
    golden("5.2-V4", "proposed", "huge", body(end=10**300), "InvalidPeriod", "end"),
    golden("5.2-V5", "proposed", "reversed", body(start=END, end=START), "InvalidPeriod", "end"),
    golden("5.2-V6", "proposed", "a-day-too-long", body(end=START + 367 * DAY), "PeriodTooLong", "end"),
    golden("5.2-V6", "proposed", "a-second-too-long", body(end=START + 366 * DAY + 1), "PeriodTooLong", "end"),
    golden("5.2-V8", "proposed", "offset", body(timezone="+02:00"), "InvalidTimezone", "timezone"),
    golden("5.2-V8", "proposed", "abbreviation", body(timezone="CEST"), "InvalidTimezone", "timezone"),
    golden("5.2-V8", "proposed", "blank", body(timezone=" "), "InvalidTimezone", "timezone"),
    golden("5.2-V8", "proposed", "lower-case", body(timezone="europe/lisbon"), "InvalidTimezone", "timezone"),
    golden("5.2-V8", "proposed", "number", body(timezone=0), "InvalidTimezone", "timezone"),
    golden("5.2-V9", "proposed", "csv", body(resultFormat="Csv"), "InvalidResultFormat", "resultFormat"),
    golden("5.2-V9", "proposed", "xls", body(resultFormat="Xls"), "InvalidResultFormat", "resultFormat"),
    golden("5.2-V9", "proposed", "empty", body(resultFormat=""), "InvalidResultFormat", "resultFormat"),
    golden("5.2-V9", "documented", "null", body(resultFormat=None), "InvalidResultFormat", "resultFormat"),
    golden("5.2-V10", "proposed", "number-in-a-list", body(tagIds=[1]), "InvalidFilter", "tagIds"),
    golden("5.2-V10", "proposed", "null-in-a-list", body(teamIds=[None]), "InvalidFilter", "teamIds"),
    golden("5.2-V10", "proposed", "blank-in-a-list", body(tagIds=["a", " "]), "InvalidFilter", "tagIds"),
    golden("5.2-V10", "proposed", "text-for-a-list", body(tagIds="a"), "InvalidFilter", "tagIds"),
    golden("5.2-V10", "proposed", "empty-text-for-a-list", body(tagIds=""), "InvalidFilter", "tagIds"),
    golden("5.2-V10", "proposed", "object-for-a-list", body(customerIds={}), "InvalidFilter", "customerIds"),
    golden(
        "5.2-V11", "proposed", "1001-entries", body(tagIds=[str(n) for n in range(1001)]), "InvalidFilter", "tagIds"
    ),
    golden("5.2-V11", "proposed", "321-characters", body(teamIds=["x" * 321]), "InvalidFilter", "teamIds"),
    golden("5.2-V12", "proposed", "no-address", body(teammateIds=["rita"]), "InvalidFilter", "teammateIds"),
    golden("5.2-V12", "proposed", "id", body(customerIds=["a@b.c", "user_1"]), "InvalidFilter", "customerIds"),
]


@pytest.mark.parametrize(("sent", "code", "field"), FAULTS)
def test_each_fault_is_refused_with_the_code_of_its_rule(
    client: LoopWire, sent: dict[str, Any], code: str, field: str
) -> None:
    answer = client.http.post(f"{loop.API}/export", content=json.dumps(sent), headers={**JSON, **client.headers})
    refused = assert_refused(answer, 400, code, field)
    assert refused["errors"][0]["errorCode"] == code
    assert refused["message"].startswith(f"'{field}' ")


JSON = {"Content-Type": "application/json"}
NO_OBJECTS = [
    golden("5.2-V1", "proposed", "nothing", b""),
    golden("5.2-V1", "proposed", "list", b"[]"),
    golden("5.2-V1", "proposed", "null", b"null"),
    golden("5.2-V1", "proposed", "text", b'"start"'),
    golden("2", "proposed", "no-json", b"{start: 1}"),
    golden("2", "proposed", "cut", b'{"start": 1'),
    golden("2", "proposed", "deep", b"[" * 100_000),
    golden("2", "proposed", "no-utf8", b'{"a": "\xff"}'),
    golden("2", "inferred", "half-a-character", b'{"tagIds": ["\\ud800"]}'),
    golden("2", "inferred", "nul", b'{"tagIds": ["a\\u0000b"]}'),
]


@pytest.mark.parametrize("content", NO_OBJECTS)
def test_a_body_that_is_no_object(client: LoopWire, content: bytes) -> None:
    answer = client.http.post(f"{loop.API}/export", content=content, headers={**JSON, **client.headers})
    assert_refused(answer, 400, "InvalidRequest")


def test_all_faults_are_listed_and_the_first_rule_sets_code_and_message(client: LoopWire) -> None:
    """Loop contract 5.2, proposed: the first in the sequence of the rules, whatever the sequence of the fields."""
    sent = {
        "customerIds": ["x"],
        "tagIds": [1],
        "resultFormat": "Pdf",
        "timezone": "Mars/Base",
        "start": -1,
        "end": "1",
    }
    answer = client.send_create(sent)
    wanted = ("end", "start", "timezone", "resultFormat", "tagIds", "customerIds")
    refused = assert_refused(answer, 400, "InvalidRequest", *wanted)
    codes = [each["errorCode"] for each in refused["errors"]]
    assert codes == [
        "InvalidRequest",
        "InvalidPeriod",
        "InvalidTimezone",
        "InvalidResultFormat",
        "InvalidFilter",
        "InvalidFilter",
    ]


def test_a_refused_create_adds_no_job_and_repeats_no_value(client: LoopWire, here: InProcess) -> None:
    """Loop contract 9, proposed: no message repeats tokens or customer addresses."""
    secret = "sEcReT<b>"
    sent = body(timezone=secret, resultFormat=secret, tagIds=[secret * 100], customerIds=[secret])
    before = _open_jobs(here)
    answer = client.send_create(sent, Idempotency_Key=f"{secret} {secret}")
    assert answer.status_code == 400
    assert "sEcReT" not in client.send_create(sent).text
    assert "sEcReT" not in answer.text
    assert _open_jobs(here) == before
    client.create()
    assert _open_jobs(here) == before + 1


def _open_jobs(here: InProcess) -> int:
    with here.on.database.read() as connection:
        return job_queries.count_open(connection, tenant="acme", dialect="loop")


ACCEPTED = [
    golden("5.1", "documented", "bare", body()),
    golden("5.2-V2", "proposed", "float-without-a-fraction", body(start=float(START))),
    golden("5.2-V6", "proposed", "the-longest", body(end=START + 366 * DAY)),
    golden("5.2-V7", "proposed", "a-future", body(start=4_000_000_000, end=4_000_086_400)),
    golden("5.2-V8", "proposed", "an-empty-zone", body(timezone="")),
    golden("5.2-V9", "proposed", "json-in-other-letters", body(resultFormat="jSON")),
    golden("5.2-V11", "proposed", "1000-long-entries", body(teamIds=[f"{n:0320}" for n in range(1000)])),
    golden("5.2-V14", "proposed", "unknown-ids", body(tagIds=["x"], teamIds=["x"], customerIds=["x@y.z"])),
    golden("2", "proposed", "unknown-properties", body(columns=["a"], start_date=1)),
]


@pytest.mark.parametrize("sent", ACCEPTED)
def test_valid_bodies_are_accepted(client: LoopWire, here: InProcess, sent: dict[str, Any]) -> None:
    job = stored(here, client.send_create(sent))
    assert job.request.format == "json"
    assert job.request.timespan.zone == "UTC"
    assert int(job.request.timespan.start.timestamp()) == sent["start"]
    assert job.request.account_zone == "Europe/Prague"


def test_duplicates_collapse_and_empty_lists_are_no_filter(client: LoopWire, here: InProcess) -> None:
    rita = [" Rita@Acme.Example", "rita@acme.example"]
    sent = body(tagIds=["b", "a", " b "], teamIds=["X", "x"], teammateIds=rita, customerIds=[])
    parameters = stored(here, client.send_create(sent)).request.parameters
    assert (parameters.tag_ids, parameters.inbox_ids) == (("b", "a"), ("X", "x"))
    assert (parameters.agent_emails, parameters.customer_emails) == (("rita@acme.example",), None)


MEDIA = [
    golden("2", "documented", "json", "application/json", 200),
    golden("2", "proposed", "charset", "Application/JSON; charset=utf-8", 200),
    golden("2", "proposed", "text", "text/plain", 415),
    golden("2", "proposed", "form", "application/x-www-form-urlencoded", 415),
    golden("2", "proposed", "merge-patch", "application/merge-patch+json", 415),
]


@pytest.mark.parametrize(("media", "status"), MEDIA)
def test_bodies_are_sent_as_json(client: LoopWire, media: str, status: int) -> None:
    headers = {**client.headers, "Content-Type": media, "Accept": "text/html"}
    answer = client.http.post(f"{loop.API}/export", content=json.dumps(body()), headers=headers)
    assert answer.status_code == status
    if status == 415:
        assert_refused(answer, 415, "UnsupportedMediaType")


@pytest.mark.parametrize(("size", "status"), [(1024 * 1024, 200), (1024 * 1024 + 1, 413)])
def test_a_body_may_be_one_mebibyte_long(client: LoopWire, size: int, status: int) -> None:
    """Loop contract 5.2, V16, proposed: more than the paths of other dialects take."""
    content = json.dumps(body()).encode()
    content += b" " * (size - len(content))
    answer = client.http.post(f"{loop.API}/export", content=content, headers={**JSON, **client.headers})
    assert answer.status_code == status, answer.text
    if status == 413:
        assert_refused(answer, 413, "PayloadTooLarge")
        other = client.http.post("/oauth/token", content=content[:100_000])  # read before any authentication
        assert other.status_code == 413


def test_an_idempotency_key_gives_the_same_export(client: LoopWire, here: InProcess) -> None:
    """Loop contract 13, proposed."""
    first = client.send_create(body(tagIds=["a"]), Idempotency_Key="march-1")
    again = client.send_create({"end": float(END), "start": START, "tagIds": ["a"]}, Idempotency_Key="march-1")
    assert first.json() == again.json()
    assert_refused(client.send_create(body(tagIds=["b"]), Idempotency_Key="march-1"), 409, "IdempotencyConflict")
    lists = [
        client.send_create(body(teammateIds=each), Idempotency_Key="set") for each in (["a@b", "c@d"], ["C@d ", "a@b"])
    ]
    assert lists[0].json() == lists[1].json()
    assert client.send_create(body(tagIds=["a"]), Idempotency_Key="march-2").json()["id"] != first.json()["id"]
    assert client.send_create(body(tagIds=["a"])).json()["id"] != first.json()["id"]
    identity.add_tenant(Tenant(name="globex"), here.on)
    other = LoopWire(here.http, {"Authorization": f"Bearer {loop.token(here.installation, 'globex')}"})
    assert other.send_create(body(tagIds=["z"]), Idempotency_Key="march-1").status_code == 200


@pytest.mark.parametrize("key", ["", " ", "two words", "x" * 256, "caf\u00e9"])
def test_an_idempotency_key_is_visible_ascii(client: LoopWire, key: str) -> None:
    headers = [*client.raw, (b"Idempotency-Key", key.encode())]
    answer = client.http.post(f"{loop.API}/export", json=body(), headers=headers)
    assert_refused(answer, 400, "InvalidRequest", "Idempotency-Key")


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[LoopWire]:
    with in_process(tmp_path, "[loop]\nlongest_days = 1\nlist_entries = 2\nbare_token = false\n") as made:
        identity.add_tenant(Tenant(name="acme"), made.on)
        yield LoopWire(made.http, {"Authorization": f"Bearer {loop.token(made.installation, 'acme')}"})


def test_settings_change_the_limits(narrow: LoopWire) -> None:
    assert narrow.send_create(body(end=START + DAY, tagIds=["a", "b"])).status_code == 200
    assert_refused(narrow.send_create(body(end=START + DAY + 1)), 400, "PeriodTooLong", "end")
    sent = body(end=START + 1, tagIds=["a", "b", "c"], teamIds=["x" * 321])
    refused = assert_refused(narrow.send_create(sent), 400, "InvalidFilter", "tagIds", "teamIds")
    texts = ["may have at most 2 entries", "may have entries of at most 320 characters"]
    assert [each["message"] for each in refused["errors"]] == texts
    assert refused["message"] == "'tagIds' may have at most 2 entries."
    bare = {"Authorization": narrow.headers["Authorization"].removeprefix("Bearer ")}
    assert_refused(narrow.http.get(f"{loop.API}/exports/{loop.UNKNOWN}", headers=bare), 401, "Unauthorized")
