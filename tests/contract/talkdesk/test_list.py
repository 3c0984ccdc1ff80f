"""Listing jobs, ``GET /data/reports/{type}/jobs`` (Talkdesk contract 2.5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import httpx
import pytest

from tests.conftest import PUBLIC_URL
from tests.fixtures.bodies import assert_refused
from tests.fixtures.golden import golden
from tests.fixtures.installation import Served
from tests.fixtures.talkdesk import TalkdeskWire

DAY = ("2026-03-01T00:00:00", "2026-03-02T00:00:00")
JOBS = "/data/reports/calls/jobs"


def listed(client: TalkdeskWire, query: str = "", report: str = "calls") -> httpx.Response:
    return client.http.get(f"/data/reports/{report}/jobs{query}", headers=client.headers)


@pytest.fixture(scope="module")
def made(idle: Served) -> Iterator[tuple[TalkdeskWire, list[str]]]:
    """A client and its 30 jobs, newest first; some are cancelled, because no more than 15 may be open."""
    with idle.client(idle.tenant("list")) as client:
        jobs = [client.create("calls", *DAY, name=f"run {number}", timezone="Europe/Prague") for number in range(10)]
        for job in jobs:
            assert client.cancel("calls", job).status_code == 204
        for _ in range(2):
            more = [client.create("calls", *DAY) for _ in range(10)]
            jobs += more
            for job in more[:7]:
                assert client.cancel("calls", job).status_code == 204
        client.create("user_status", *DAY)
        yield client, jobs[::-1]


def test_a_page_field_by_field(made: tuple[TalkdeskWire, list[str]]) -> None:
    """Talkdesk contract 2.5, documented: HAL, flat items with links of their own, absolute hrefs."""
    client, jobs = made
    answer = listed(client, "?page=3&per_page=10")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"total", "count", "_embedded", "_links"}
    assert (body["total"], body["count"]) == (30, 10)
    assert body["_embedded"].keys() == {"jobs"}
    items = body["_embedded"]["jobs"]
    assert [item["id"] for item in items] == jobs[20:]
    oldest = items[-1]
    root = f"{PUBLIC_URL}/data/reports/calls"
    assert oldest == {
        "id": jobs[-1],
        "name": "run 0",
        "type": "calls",
        "status": "canceled",
        "timezone": "Europe/Prague",
        "format": "json",
        "timespan": {"from": "2026-02-28T23:00:00Z", "to": "2026-03-01T23:00:00Z"},
        "created_at": oldest["created_at"],
        "_links": {
            "self": {"href": f"{root}/jobs/{jobs[-1]}"},
            "files": {"href": f"{root}/files/{jobs[-1]}"},
        },
    }
    assert body["_links"] == {
        "self": {"href": f"{root}/jobs?page=3&per_page=10"},
        "prev": {"href": f"{root}/jobs?page=2&per_page=10"},
    }


def test_newest_first_and_20_a_page(made: tuple[TalkdeskWire, list[str]]) -> None:
    """Talkdesk contract 2.5, documented default; legacy: the sort order."""
    client, jobs = made
    body = listed(client).json()
    assert [item["id"] for item in body["_embedded"]["jobs"]] == jobs[:20]
    assert body["_links"]["next"]["href"] == f"{PUBLIC_URL}{JOBS}?page=2&per_page=20"
    assert "prev" not in body["_links"]


@pytest.mark.parametrize("per_page", [1, 7, 15, 30, 200])
def test_following_next_lists_every_job_once(per_page: int, made: tuple[TalkdeskWire, list[str]]) -> None:
    """Talkdesk contract 7.11, seen: a cleanup script follows ``_links.next.href`` unchanged until there is none."""
    client, jobs = made
    found: list[str] = []
    address: str | None = f"{JOBS}?per_page={per_page}"
    while address is not None:
        page = client.http.get(address, headers=client.headers).json()
        found += [item["id"] for item in page["_embedded"]["jobs"]]
        assert page["total"] == 30
        after = page["_links"].get("next")
        address = after["href"].removeprefix(PUBLIC_URL) if after else None
    assert found == jobs


def test_timespans_are_rfc_3339(made: tuple[TalkdeskWire, list[str]]) -> None:
    """Talkdesk contract 2.5, seen: the Go client decodes them into time values and fails on naive ones."""
    for item in listed(made[0], "?per_page=200").json()["_embedded"]["jobs"]:
        for bound in ("from", "to"):
            assert item["timespan"][bound].endswith("Z")
            assert datetime.fromisoformat(item["timespan"][bound]).tzinfo is not None


def test_cancelled_jobs_stay_in_the_list(made: tuple[TalkdeskWire, list[str]]) -> None:
    """Talkdesk contract 2.5, seen: a client filters by status itself."""
    items = listed(made[0], "?per_page=200").json()["_embedded"]["jobs"]
    assert {item["status"] for item in items} == {"created", "canceled"}


def test_each_type_has_its_own_list_and_each_tenant_its_own_jobs(
    made: tuple[TalkdeskWire, list[str]], idle: Served
) -> None:
    client, _ = made
    assert listed(client, report="user_status").json()["total"] == 1
    assert listed(client, report="contacts").json()["total"] == 0
    with idle.client(idle.tenant("list-stranger")) as stranger:
        body = listed(stranger).json()
    assert body == {
        "total": 0,
        "count": 0,
        "_embedded": {"jobs": []},
        "_links": {"self": {"href": f"{PUBLIC_URL}{JOBS}?page=1&per_page=20"}},
    }


def test_an_alias_lists_the_jobs_of_its_report(idle: Served) -> None:
    """Talkdesk contract 2.1, proposed."""
    with idle.client(idle.tenant("list-alias")) as client:
        job = client.create("feedback_flow", *DAY)
        for slug in ("feedback", "feedback_flow"):
            assert [item["id"] for item in listed(client, report=slug).json()["_embedded"]["jobs"]] == [job]


def test_a_page_beyond_the_last_is_empty(made: tuple[TalkdeskWire, list[str]]) -> None:
    """Talkdesk contract 2.5, inferred: also if the number exceeds the integers of every database."""
    for page in (4, 999_999_999_999_999_999):
        body = listed(made[0], f"?page={page}&per_page=10").json()
        assert (body["total"], body["count"], body["_embedded"]["jobs"]) == (30, 0, [])
        assert body["_links"].keys() == {"self", "prev"}


OUT_OF_RANGE = [
    golden("2.5", "documented", "page-zero", "?page=0", ["page"]),
    golden("2.5", "documented", "page-negative", "?page=-1", ["page"]),
    golden("2.5", "documented", "per-page-zero", "?per_page=0", ["per_page"]),
    golden("2.5", "documented", "per-page-over-the-most", "?per_page=201", ["per_page"]),
    golden("2.5", "inferred", "both", "?page=0&per_page=0", ["page", "per_page"]),
    golden("2.5", "inferred", "empty", "?page=", ["page"]),
    golden("2.5", "inferred", "words", "?per_page=all", ["per_page"]),
    golden("2.5", "inferred", "fraction", "?page=1.5", ["page"]),
    golden("2.5", "inferred", "sign", "?page=%2B1", ["page"]),
    golden("2.5", "inferred", "other-digits", "?page=%D9%A1", ["page"]),
    golden("2.5", "inferred", "endless", f"?page={'9' * 5000}", ["page"]),
]


@pytest.mark.parametrize(("query", "fields"), OUT_OF_RANGE)
def test_a_number_out_of_range_is_1020001(query: str, fields: list[str], made: tuple[TalkdeskWire, list[str]]) -> None:
    answer = listed(made[0], query)
    assert_refused(answer, 400, "1020001", fields)
    assert len(answer.json()["fields"]) == len(fields)


def test_listing_checks_token_scope_report_and_parameters_in_this_sequence(
    idle: Served, made: tuple[TalkdeskWire, list[str]]
) -> None:
    """Talkdesk contract 2.2 and 2.5: token, scope, slug, parameters."""
    client, _ = made
    assert_refused(client.http.get(f"{JOBS}?page=0"), 401, "1020018")
    assert_refused(listed(client, "?page=0", report="nonsense"), 400, "1020001", ["report_type"])
    with idle.client(idle.installation.add_client(idle.tenant("list-writer").tenant, scopes=["write"])) as writer:
        assert_refused(listed(writer, "?page=0", report="nonsense"), 403, "1020004")
