"""Runs on the wire: status, download, the list of jobs (Khoros contract 4.2 to 4.4 and 6), on real exports."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import httpx
import pytest
from sqlalchemy import update

from offtake.core.admin import identity
from offtake.core.admin import jobs as admin_jobs
from offtake.model.job import JobFilter
from offtake.model.tenant import Tenant
from offtake.store.schema import job as job_table
from tests.contract.khoros.test_create import assert_failed
from tests.fixtures.golden import golden
from tests.fixtures.installation import Installation, Served
from tests.fixtures.khoros import ROOT, KhorosWire, add_user, connect, ms, new_user
from tests.fixtures.polling import wait_for

DAY = ("2026-03-05T00:00:00", "2026-03-05T23:59:59.999")
POSTS = [
    {
        "post_id": f"p{number}",
        "conversation_id": "c1",
        "kind": "incoming",
        "happened_at": f"2026-03-05T16:07:0{number}Z",
        "body": ["=1+1", 'He said "no",\r\ntwice', "Žluťoučký kůň"][number],
    }
    for number in range(3)
]
ACTIONS = [  # loaded in another order than that of the contract; as text, December would follow March
    {"action_id": name, "conversation_id": conversation, "kind": "NOTE_ADDED", "actor": "AGENT", "happened_at": at}
    for name, conversation, at in (
        ("a5", "c1", "2026-03-05T10:00:00Z"),
        ("a8", "c2", "2026-03-05T10:00:00Z"),
        ("a1", "c1", "2026-03-01T10:00:00Z"),
        ("a2", "c2", "2026-02-28T10:00:00Z"),
        ("a9", "c1", "2025-12-24T10:00:00Z"),
    )
]
AGENTS = [{"agent_id": "a1", "number": 20417, "name": "Ann", "email": "ann@example.org", "is_active": True}]
SETTINGS = """
[khoros]
requests_per_minute = 0
history_months = 0

[tenants.documented.khoros]
result = "as_documented"
rows = 2

[tenants.other-ways.khoros]
download = "direct"
json_keys = "camel"
csv_bom = true
csv_guard_formulas = true
labels = "english"
locale = "de"
pattern_de = "yyyy-MM-dd HH:mm"
default_zone = "tenant"
disabled_metrics = ["post_language"]
gzip = false
end = "exclusive"
sorted_rows = false

[tenants.limited.khoros]
requests_per_minute = 3
"""
RUN = {
    "runnerState": "RUNNING",
    "reason": None,
    "detail": "",
    "currentCount": None,
    "totalCount": None,
    "lastAcknowledgeTime": None,
}


@pytest.fixture(scope="module")
def varied(shared_installations: Any) -> Served:
    """A server whose tenants have their own settings."""
    made: Installation = shared_installations("varied")
    made.init(SETTINGS)
    with made.services() as on:
        for name in ("documented", "other-ways", "limited", "plain"):
            identity.add_tenant(Tenant(name=name, zone="Europe/Prague", company_key=f"{name}-c01"), on)
    for name in ("documented", "other-ways", "plain"):
        made.load("post", POSTS[::-1], tenant=name)
        made.load("conversation_action", ACTIONS, tenant=name)
        made.load("agent", AGENTS, tenant=name)
    return Served(made, made.serve(workers=1))


def client_of(served: Served, tenant: str) -> Iterator[KhorosWire]:
    with connect(served, add_user(served, tenant, f"{tenant}-c01")) as made:
        yield made


@pytest.fixture(scope="module")
def plain(varied: Served) -> Iterator[KhorosWire]:
    yield from client_of(varied, "plain")


@pytest.fixture(scope="module")
def other_ways(varied: Served) -> Iterator[KhorosWire]:
    yield from client_of(varied, "other-ways")


@pytest.fixture(scope="module")
def documented(varied: Served) -> Iterator[KhorosWire]:
    yield from client_of(varied, "documented")


@pytest.fixture(scope="module")
def finished(plain: KhorosWire) -> dict[str, Any]:
    """The status of a run that has completed."""
    return plain.wait(plain.create("incoming_post", DAY))


def split_url(url: str) -> tuple[str, str, str, dict[str, list[str]]]:
    """Return workflowId, runId, verb and query of a URL from the server."""
    found = urlsplit(url)
    workflow, run, verb = found.path.removeprefix(f"{ROOT}/reports/report/").split("/")
    return workflow, unquote(run), verb, parse_qs(found.query)


def test_the_status_of_a_queued_run(idle: Served) -> None:
    """Khoros contract 4.2: an object while running (a client in production reads it so), no downloadUrl yet."""
    with connect(idle, new_user(idle, "waits")) as client:
        created = client.send_create("user", DAY).json()["result"]
        path = urlsplit(created["statusUrl"]).path.removeprefix("/care")
        answer = client.get(path.removeprefix(ROOT))
        result = answer.json()["result"]
        assert list(answer.json()) == ["status", "request", "message", "result"]
        assert list(result) == ["jobInfo", "result"]
        assert list(result["jobInfo"]) == ["workflowId", "runId", "downloadUrl", "statusUrl"]
        assert result["result"] == RUN
        info = result["jobInfo"]
        assert (info["workflowId"], info["runId"], info["downloadUrl"]) == (created["workflowId"], created["runId"], "")
        assert_failed(client.get(path.removeprefix(ROOT).replace("/status", "/download")), 404)


def test_the_status_of_a_cancelled_run(idle: Served) -> None:
    """Khoros contract 4.2: only three pairs are documented, so a run that the operator cancelled has failed."""
    user = new_user(idle, "cancelled")
    with connect(idle, user) as client:
        created = client.send_create("user", DAY).json()["result"]
        path = urlsplit(created["statusUrl"]).path.removeprefix("/care").removeprefix(ROOT)
        with idle.installation.services() as on:
            [job] = admin_jobs.list_jobs(JobFilter(tenant=user.tenant), on, limit=1)
            admin_jobs.cancel(job.id, "root", on)
        found = client.get(path).json()["result"]
        assert found["result"] == RUN | {"runnerState": "CLOSED", "detail": "FAILED"}
        assert found["jobInfo"]["downloadUrl"] == ""
        assert_failed(client.get(path.replace("/status", "/download")), 404)


def test_the_status_of_a_completed_run(plain: KhorosWire, finished: dict[str, Any]) -> None:
    """Khoros contract 4.2, documented; both URLs carry the token (seen)."""
    assert finished["result"] == RUN | {"runnerState": "CLOSED", "detail": "COMPLETED"}
    info = finished["jobInfo"]
    for url, verb in ((info["statusUrl"], "status"), (info["downloadUrl"], "download")):
        workflow, run, found, query = split_url(url)
        assert (workflow, run, found) == (info["workflowId"], info["runId"], verb)
        assert list(query) == ["analyticsAccessToken"]
        assert len(query["analyticsAccessToken"][0]) == 24
        assert "=" not in url.partition("?")[2].partition("=")[2]
        assert "/" not in url.partition("?")[2]
    assert plain.result(info["statusUrl"]) == finished


def test_the_status_of_a_failed_run(documented: KhorosWire) -> None:
    """Khoros contract 4.2, documented: the outer status is PASS nevertheless. A list of one, as in the vendor's
    samples."""
    status_url = documented.create("incoming_post", DAY)

    def closed() -> Any:
        [found] = documented.http.get(status_url).json()["result"]
        return found if found["result"]["runnerState"] == "CLOSED" else None

    found = wait_for("the end of the run", closed)
    assert found["result"] == RUN | {"runnerState": "CLOSED", "detail": "FAILED"}
    assert found["jobInfo"]["downloadUrl"] == ""
    answer = documented.http.get(status_url)
    assert (answer.status_code, answer.json()["status"]) == (200, "PASS")
    assert_failed(documented.http.get(status_url.replace("/status?", "/download?")), 404)
    # Khoros contract 4.2: a run that has completed is an object in the samples, too
    user_url = documented.create("user", DAY)

    def completed() -> Any:
        result = documented.http.get(user_url).json()["result"]
        return result if isinstance(result, dict) else None

    assert wait_for("an object", completed)["result"]["detail"] == "COMPLETED"


SPELLINGS = [
    golden("4.1", "documented", "encoded", lambda run: quote(run, safe="")),
    golden("4.1", "documented", "plain", lambda run: run),
    golden("4.1", "documented", "only-slashes-encoded", lambda run: run.replace("/", "%2F")),
    golden("4.1", "documented", "only-plus-encoded", lambda run: run.replace("+", "%2B")),
]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("root", ["/reports/report", "/report/reports"])
def test_a_run_id_is_accepted_in_every_spelling(spelling: Any, root: str, plain: KhorosWire) -> None:
    """Khoros contract 4.1 and 1.3: %2F is part of a segment; a plus is not a blank; the swapped path is the same."""
    for _ in range(6):  # most of them have a slash or a plus sign
        info = plain.send_create("user", DAY).json()["result"]
        answer = plain.get(f"{root}/{info['workflowId']}/{spelling(info['runId'])}/status")
        assert answer.status_code == 200, answer.text
        assert answer.json()["result"]["jobInfo"]["runId"] == info["runId"]


def test_a_run_is_readable_with_the_key_or_the_token(
    plain: KhorosWire, finished: dict[str, Any], varied: Served
) -> None:
    """Khoros contract 1.2, proposed: either of them in addition to the password."""
    url = finished["jobInfo"]["statusUrl"]
    bare, token = url.partition("?")[0], split_url(url)[3]["analyticsAccessToken"][0]
    other = split_url(plain.wait(plain.create("user", DAY))["jobInfo"]["statusUrl"])[3]["analyticsAccessToken"][0]

    def status(**query: str) -> int:
        return plain.http.get(bare, params=query).status_code

    assert status(companyKey="plain-c01") == status(analyticsAccessToken=token) == 200
    assert status(companyKey="plain-c01", analyticsAccessToken=other) == 200
    assert status() == 400
    assert status(companyKey="other-ways-c01") == 403
    assert status(analyticsAccessToken=other) == status(analyticsAccessToken="x") == 404
    assert plain.http.get(f"{bare}?plain-c01").status_code == 200  # Khoros contract 7: the key without its name
    assert httpx.get(url, trust_env=False).status_code == 401
    with connect(varied, add_user(varied, "limited", "limited-c01", name="else@example.org")) as stranger:
        assert_failed(stranger.http.get(url), 404)


def test_a_run_under_another_workflow_is_not_found(plain: KhorosWire, finished: dict[str, Any]) -> None:
    """Khoros contract 4.1: the pair is the key."""
    info = finished["jobInfo"]
    run = quote(info["runId"], safe="")
    assert_failed(plain.get(f"/reports/report/60a7f89c-e446-309c-8b4f-460bfdfd0dee/{run}/status"), 404)
    assert_failed(plain.get(f"/reports/report/{info['workflowId']}/{run.swapcase()}/status"), 404)


def test_the_download_redirects_to_a_signed_link(plain: KhorosWire, finished: dict[str, Any]) -> None:
    """Khoros contract 4.3, documented: 307 to a signed URL. It needs no password and ignores one, because libraries
    keep it."""
    first, again = (plain.http.get(finished["jobInfo"]["downloadUrl"]) for _ in range(2))
    assert (first.status_code, again.status_code) == (307, 307)
    link = first.headers["location"]
    assert link.startswith(f"{plain.http.base_url.join('/download/')}")
    with_password, without = plain.http.get(link), httpx.get(link, trust_env=False)
    assert with_password.content == without.content
    assert without.headers["content-type"] == "application/json"
    assert without.headers["content-disposition"].startswith(
        'attachment; filename="incoming_post_2026-03-05_2026-03-06_'
    )
    followed = plain.http.get(
        finished["jobInfo"]["downloadUrl"], follow_redirects=True, headers={"Accept": "application/json"}
    )
    assert followed.content == without.content
    assert sorted(row["POST_ID"] for row in followed.json()) == ["p0", "p1", "p2"]


def test_a_setting_makes_the_download_send_the_file_itself(other_ways: KhorosWire) -> None:
    """Khoros contract 4.3, proposed: for clients that do not follow redirects. Also the other settings of files."""
    found = other_ways.wait(other_ways.create("incoming_post", DAY))
    answer = other_ways.http.get(found["jobInfo"]["downloadUrl"])
    assert answer.status_code == 200
    assert not {"content-encoding", "vary"} & answer.headers.keys()  # although the client accepts gzip
    rows = sorted(answer.json(), key=lambda row: row["postId"])
    assert [row["receivedTime"] for row in rows] == ["2026-03-05 17:07"] * 3
    assert rows[0]["postText"] == "=1+1"  # JSON has its own rules
    assert "postLanguage" not in rows[0]
    named = other_ways.export("incoming_post", DAY, reportMetrics="POST_LANGUAGE").json()
    assert [list(row) for row in named] == [["postLanguage"]] * 3


def test_a_setting_makes_spreadsheets_treat_formulas_as_text(plain: KhorosWire, other_ways: KhorosWire) -> None:
    """Khoros contract 5.5, proposed: off by default, because pipelines need the unchanged values."""
    assert '"=1+1"' in plain.export("incoming_post", DAY).text
    assert ",=1+1," in plain.export("incoming_post", DAY, reportFormat="csv").text
    text = other_ways.export("incoming_post", DAY, reportFormat="csv").content
    assert text.startswith("\ufeffPost ID,".encode())
    lines = {line["Post ID"]: line for line in csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline=""))}
    assert [lines[post]["Post Text"] for post in ("p0", "p1")] == ["'=1+1", POSTS[1]["body"]]
    asked = plain.export("incoming_post", DAY, reportFormat="csv", csvGuardFormulas="true").text
    assert ",'=1+1," in asked
    declined = other_ways.export("incoming_post", DAY, reportFormat="csv", csvGuardFormulas="false").text
    assert ",=1+1," in declined


def test_the_list_of_jobs(varied: Served) -> None:
    """Khoros contract 4.4: a list, ``details`` that is null, no statusUrl; a closed run has a downloadUrl with the
    company key."""
    user = new_user(varied, "jobs")
    with connect(varied, user) as client:
        assert client.get("/reports/jobs").json()["result"] == []
        urls = [client.create(report, DAY) for report in ("user", "author")]
        done = [client.wait(url)["jobInfo"] for url in urls]
        for answer in (client.get("/reports/jobs"), client.http.get(f"{ROOT}/reports/jobs")):
            entries = answer.json()["result"]
            assert [entry["jobInfo"]["runId"] for entry in entries] == [info["runId"] for info in reversed(done)]
            for entry in entries:
                assert list(entry["jobInfo"]) == ["workflowId", "runId", "downloadUrl"]
                run = {key: value for key, value in RUN.items() if key != "detail"}
                assert entry["result"] == run | {"runnerState": "CLOSED", "details": None}
                assert split_url(entry["jobInfo"]["downloadUrl"])[3] == {"companyKey": [user.company_key]}
        assert_failed(client.get("/reports/jobs", companyKey="other-ways-c01"), 403)
        file = client.http.get(entries[0]["jobInfo"]["downloadUrl"], follow_redirects=True)
        assert file.json() == []
        with varied.installation.services() as on, on.database.write() as connection:
            mine = update(job_table).where(job_table.c.tenant == user.tenant)
            connection.execute(mine.values(created_at=datetime.now(UTC) - timedelta(hours=24, seconds=1)))
        assert client.get("/reports/jobs").json()["result"] == []


def test_a_running_job_in_the_list(idle: Served) -> None:
    """Khoros contract 4.4, seen: it has only the two ids."""
    with connect(idle, new_user(idle, "list")) as client:
        created = client.send_create("user", DAY).json()["result"]
        [entry] = client.get("/reports/jobs").json()["result"]
        assert entry["jobInfo"] == {"workflowId": created["workflowId"], "runId": created["runId"]}
        assert entry["result"]["runnerState"] == "RUNNING"
        assert entry["result"]["details"] is None


def test_the_rate_limit_is_twenty_a_minute_or_the_tenants_own(varied: Served) -> None:
    """Khoros contract 6, documented; polls and lookups count (Khoros contract 7.13, inferred), another user's do
    not."""
    ann, bob = (add_user(varied, "limited", "limited-c01", name=f"{name}@example.org") for name in ("ann", "bob"))
    with connect(varied, ann) as client, connect(varied, bob) as other:
        status_url = client.create("user", DAY)
        assert [client.http.get(status_url).status_code, client.get("/teams").status_code] == [200, 200]
        answer = client.get("/teams")
        assert_failed(answer, 429)
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert other.get("/teams").status_code == 200


# --- 5: the contents of a file ----------------------------------------------------------------------------------------

OFFSETS = [
    golden("1.5", "documented", "ahead", {"timezoneOffset": "3600000"}, "03/05/2026 05:07:00 PM"),
    golden("1.5", "documented", "half-an-hour", {"timezoneOffset": "19800000"}, "03/05/2026 09:37:00 PM"),
    golden("1.5", "documented", "behind", {"timezoneOffset": "-3600000"}, "03/05/2026 03:07:00 PM"),
    golden("5.2", "documented", "zone", {"timezone": "Asia/Kolkata"}, "03/05/2026 09:37:00 PM"),
    golden("5.2", "documented", "neither", {}, "03/05/2026 04:07:00 PM"),
]


@pytest.mark.parametrize(("more", "first"), OFFSETS)
def test_instants_in_zones_and_offsets(more: dict[str, str], first: str, plain: KhorosWire) -> None:
    rows = plain.export("incoming_post", DAY, reportMetrics="received_time", **more).json()
    assert len(rows) == 3
    assert min(row["RECEIVED_TIME"] for row in rows) == first
    assert all(list(row) == ["RECEIVED_TIME"] for row in rows)


@pytest.mark.parametrize(
    ("zone", "starts"),
    [
        ({"timezoneOffset": "19800000"}, ["03/05/2026 11:30:00 AM", "03/06/2026 12:00:00 AM"]),
        ({"timezone": "Asia/Kolkata"}, ["03/05/2026 11:30:00 AM", "03/06/2026 12:00:00 AM"]),
        ({"timezone": "UTC"}, ["03/05/2026 06:00:00 AM", "03/06/2026 12:00:00 AM"]),
        ({"timezone": "Etc/GMT-2"}, ["03/05/2026 08:00:00 AM", "03/06/2026 12:00:00 AM"]),
    ],
)
def test_days_begin_at_midnight_in_every_zone(zone: dict[str, str], starts: list[str], plain: KhorosWire) -> None:
    """Khoros contract 5.4, proposed: whether the zone follows daylight saving, is a fixed offset or is UTC."""
    window = ("2026-03-05T06:00:00", "2026-03-06T05:59:59.999")
    rows = plain.export("team_performance_interval", window, timeInterval="86400000", **zone).json()
    assert sorted(row["INTERVAL_START_TIME"] for row in rows) == starts


def test_a_history_is_oldest_first_and_a_combined_list_is_chronological(
    plain: KhorosWire, other_ways: KhorosWire
) -> None:
    """Khoros contract 3.3 and 3.6; the locale's text of an instant does not sort. The other tenant does without."""
    window = ("2026-02-20T00:00:00", "2026-03-05T23:59:59.999")
    history = plain.export("conversation_history_action", window).json()
    assert [(row["CONVERSATION_ID"], row["ACTION_ID"]) for row in history] == [
        ("c1", "a9"),
        ("c1", "a1"),
        ("c1", "a5"),
        ("c2", "a2"),
        ("c2", "a8"),
    ]
    text = plain.export("combined", DAY, reportFormat="csv", reportMetrics="POST_ID").text
    assert text.splitlines()[1:] == ["p0", "p1", "p2"]
    unsorted = other_ways.export("conversation_history_action", window).json()
    assert {row["actionId"] for row in unsorted} == {row["ACTION_ID"] for row in history}


def test_labels_in_five_languages(plain: KhorosWire) -> None:
    """Khoros contract 5.2 and 5.5, proposed: the header line has the labels, in the order asked for."""
    heads = {
        locale: plain.export(
            "user", DAY, reportFormat="CSV", locale=locale, reportMetrics="agent_name,AGENT_ID,Agent_Name"
        )
        for locale in ("en_US", "es", "fr", "de", "tr")
    }
    assert {locale: answer.text.split("\r\n") for locale, answer in heads.items()} == {
        "en_US": ["Agent Name,Agent ID", "Ann,20417", ""],
        "es": ["Nombre del agente,ID del agente", "Ann,20417", ""],
        "fr": ["Nom de l’agent,ID de l’agent", "Ann,20417", ""],
        "de": ["Name des Agenten,Agenten-ID", "Ann,20417", ""],
        "tr": ["Temsilci Adı,Temsilci Kimliği", "Ann,20417", ""],
    }
    assert heads["de"].headers["content-type"] == "text/csv; charset=utf-8"


@pytest.mark.parametrize("report_format", ["JSON", "CSV"])
def test_an_export_may_leave_decimals_out(plain: KhorosWire, report_format: str) -> None:
    """Khoros contract 4.2: reportMetrics chooses columns, also of a report whose decimals are rounded."""
    answer = plain.export("team_performance", DAY, reportMetrics="AGENT_ID,AGENT_NAME", reportFormat=report_format)
    shown = {"JSON": '"AGENT_NAME":"Ann"', "CSV": "20417,Ann"}
    assert shown[report_format] in answer.text


def test_milliseconds_are_in_json_only(plain: KhorosWire) -> None:
    """Khoros contract 5.3, documented; asked for by name in csv, they are dropped (proposed)."""
    wanted = "AGENT_ID,TOTAL_MOBILE_TIME_MILLIS,TOTAL_MOBILE_TIME"
    [row] = plain.export("user", DAY, reportMetrics=wanted).json()
    assert row == {"AGENT_ID": "20417", "TOTAL_MOBILE_TIME_MILLIS": "0", "TOTAL_MOBILE_TIME": "00:00:00"}
    text = plain.export("user", DAY, reportMetrics=wanted, reportFormat="csv").text
    assert text.splitlines() == ["Agent ID,Total Mobile Time", "20417,00:00:00"]
    [all_of_them] = plain.export("user", DAY).json()
    assert [key for key in all_of_them if key.endswith("_MILLIS")] == [
        "TOTAL_CONSOLE_LOGGED_IN_TIME_MILLIS",
        "TOTAL_GREEN_STATE_TIME_MILLIS",
        "TOTAL_YELLOW_STATE_TIME_MILLIS",
        "TOTAL_RED_STATE_TIME_MILLIS",
        "TOTAL_MOBILE_TIME_MILLIS",
    ]
    assert "MILLIS" not in plain.export("user", DAY, reportFormat="csv").text.upper()


def test_an_export_without_rows(plain: KhorosWire) -> None:
    """Khoros contract 5.5 and 5.6: a header line alone; an empty list."""
    empty = ("2026-02-01T00:00:00", "2026-02-01T01:00:00")
    assert plain.export("incoming_post", empty, reportMetrics="POST_ID", reportFormat="csv").text == "Post ID\r\n"
    assert json.loads(plain.export("incoming_post", empty).text) == []


def test_both_bounds_belong_to_the_timespan(plain: KhorosWire, other_ways: KhorosWire) -> None:
    """Khoros contract 5.7, proposed; the other tenant's end is exclusive."""
    window = ("2026-03-05T16:07:00", "2026-03-05T16:07:02")
    assert sorted(row["POST_ID"] for row in plain.export("incoming_post", window).json()) == ["p0", "p1", "p2"]
    assert sorted(row["postId"] for row in other_ways.export("incoming_post", window).json()) == ["p0", "p1"]
    assert ms(window[1]).endswith("000")
