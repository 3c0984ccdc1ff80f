"""Discovery, and requests that the native API refuses: problems with pointers, accepted values and the nearest name."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from offtake.core.admin import identity
from offtake.model.tenant import DEFAULT_SCOPES, Scope, Tenant
from offtake.wire.native.tables import LARGEST_BODY
from tests.fixtures import loop
from tests.fixtures.in_process import in_process
from tests.fixtures.installation import Served
from tests.fixtures.native import MARCH, REPORT, V1, NativeWire, assert_problem, connect, native_client
from tests.property.exporting import catalogue


@pytest.fixture(scope="module")
def client(idle: Served) -> Iterator[NativeWire]:
    with native_client(idle, "requests") as made:
        yield made


# --- discovery -------------------------------------------------------------------------------------------------------


def test_every_report_is_listed_and_can_be_read(client: NativeWire) -> None:
    listed = client.http.get(f"{V1}/reports").json()["reports"]
    assert [each["name"] for each in listed] == sorted(catalogue().reports)
    for each in listed:
        report = catalogue().reports[each["name"]]
        definition = client.http.get(f"{V1}/reports/{each['name']}").json()
        assert {name: definition[name] for name in ("title", "grain", "version")} == {
            name: each[name] for name in ("title", "grain", "version")
        }
        assert [column["name"] for column in definition["columns"]] == [column.name for column in report.columns]
        assert [column["name"] for column in definition["columns"] if column["key"]] == [
            column.name for column in report.columns if column.name in report.key
        ]
        assert [table["name"] for table in definition["tables"]] == [use.table for use in report.tables]
        assert {parameter["name"] for parameter in definition["parameters"]} <= set(report.parameters)


def test_a_report_says_what_its_columns_hold_and_which_dialects_publish_it(client: NativeWire) -> None:
    definition = client.http.get(f"{V1}/reports/{REPORT}").json()
    columns = {column["name"]: column for column in definition["columns"]}
    assert (columns["resolution_seconds"]["type"], columns["resolution_seconds"]["unit"]) == ("seconds", "s")
    assert columns["customer_email"]["personal"] is True
    assert (columns["status"]["varies"], columns["subject"]["varies"]) == (True, False)
    assert columns["tag_ids"]["operators"] == ["eq", "in", "is_null"]
    assert {"dialect": "loop", "name": "conversations"} in definition["dialects"]
    assert_problem(client.http.get(f"{V1}/reports/nope"), 404, "unknown_report")


def test_limits_are_those_of_the_settings(client: NativeWire) -> None:
    limits = client.http.get(f"{V1}/limits").json()
    assert (limits["open_exports"], limits["longest_days"], limits["rows"]) == (20, 3660, None)
    assert limits["rates"]["create"] == {"requests": 120, "seconds": 60}


# --- faults ----------------------------------------------------------------------------------------------------------


def faults(response: httpx.Response) -> dict[str, Any]:
    """Return the faults of a problem by pointer."""
    assert response.status_code == 422, response.text
    return {each.get("pointer", each.get("parameter")): each for each in response.json()["errors"]}


def test_an_unknown_field_is_refused_with_the_nearest_one(client: NativeWire) -> None:
    found = faults(client.create(formt="csv", timespan={**MARCH, "zone": "UTC"}))
    assert found["/formt"]["nearest"] == "format"
    assert {"report", "timespan", "format"} <= set(found["/formt"]["accepted"])
    assert faults(client.create(csv={"delimter": ";"}))["/csv/delimter"]["nearest"] == "delimiter"
    assert found["/timespan/zone"]["accepted"] == ["start", "end", "last", "timezone"]


def test_all_faults_that_need_the_report_come_at_once(client: NativeWire) -> None:
    found = faults(
        client.create(
            timespan={"start": "2026-03-01", "end": "2026-02-01", "timezone": "Europe/Lisbn"},
            columns=["conversation_id", "conversaton_id", "conversation_id"],
            filters=[
                {"column": "creatd_at", "op": "eq", "value": 1},
                {"column": "created_at", "op": "eq", "value": 1},
                {"column": "tag_ids", "op": "range", "value": ["a", "b"]},
                {"column": "sent_count", "op": "in"},
            ],
            order=["-sent_count", "nothing", "sent_count"],
            parameters={"queue_ids": ["a"]},
            split={},
        )
    )
    assert {pointer: found[pointer].get("nearest") for pointer in found} == {
        "/split": None,
        "/timespan/timezone": "Europe/Lisbon",
        "/columns/1": "conversation_id",
        "/columns/2": None,
        "/parameters/queue_ids": None,
        "/order/1": None,
        "/order/2": None,
        "/filters/0/column": "created_at",
        "/filters/1/value": None,
        "/filters/2/op": None,
        "/filters/3/value": None,
    }
    assert found["/filters/2/op"]["accepted"] == ["eq", "in", "is_null"]
    assert "sent_count" in found["/order/1"]["accepted"]


def test_faults_of_the_model_and_of_the_report_come_at_once(client: NativeWire) -> None:
    """Each once, at its place in the body as sent; what depends on a faulty part is not judged."""
    missing = {"column": "x"}
    unknown = {"column": "creatd_at", "op": "eq", "value": "2026-03-01T00:00:00Z"}
    found = client.create(
        formt="csv",
        timespan={"start": 5, "end": "2026-02-30", "timezone": "Europe/Lisbn", "zone": "UTC"},
        columns=[1, "conversaton_id", 2, "subject", "subject"],
        filters=[missing, *[unknown] * 10, missing, {"column": "sent_count", "op": "eq", "value": "many"}],
        order="created_at",
        parameters={"queue_ids": ["a"], "actions_cap": 0},
        split={"rows": "5000"},
        format="cvs",
        csv={"delimiter": ";"},
        compression="gzip",
    ).json()["errors"]
    assert sorted(each["pointer"] for each in found) == sorted(
        [
            *("/formt", "/timespan/start", "/timespan/zone", "/columns/0", "/columns/2", "/filters/0/op"),
            *("/filters/11/op", "/order", "/parameters/actions_cap", "/split/rows", "/format"),
            # beyond the model
            *("/timespan/end", "/timespan/timezone", "/columns/1", "/columns/4", "/parameters/queue_ids"),
            *(f"/filters/{number}/column" for number in range(1, 11)),
            "/filters/12/value",
        ]
    )
    sent = {"timespan": {"last": "7 days"}, "columns": ["nothing"], "split": {}}
    refused = client.http.post(f"{V1}/exports", json=sent)
    assert list(faults(refused)) == ["/report", "/timespan/last", "/split"]
    long = client.create(timespan={"start": "1990-01-01", "end": MARCH["end"]}, columns=["nothing"])
    assert list(faults(long)) == ["/columns/0", "/timespan"]
    assert list(faults(client.http.post(f"{V1}/exports/preview", json={**sent, "report": REPORT, "rows": 0}))) == [
        *("/timespan/last", "/rows", "/split", "/columns/0")
    ]
    path = f"{V1}/exports/{client.create().json()['id']}/retention"
    assert list(faults(client.http.post(path, json={"days": 30_000, "hld": True}))) == ["/hld", "/days"]
    wanted = {"report": REPORT, "timespan": MARCH}
    for body, pointers in ((wanted, []), ({**wanted, "columns": ["nothing"]}, ["/columns/0"])):
        misspelt = client.http.post(f"{V1}/exports", params={"dryrun": "1"}, json=body)
        assert list(faults(misspelt)) == ["dryrun", *pointers]


@pytest.mark.parametrize("value", ["5", True, 1.5, [5], "true"])
def test_numbers_and_booleans_are_not_converted(client: NativeWire, value: Any) -> None:
    exports = f"{V1}/exports"
    body = {"report": REPORT, "timespan": MARCH}
    path = f"{exports}/{client.create().json()['id']}/retention"
    for field in ("days", "hold"):
        if not (field == "hold" and value is True):
            assert list(faults(client.http.post(path, json={field: value}))) == [f"/{field}"]
    numbers: dict[str, Any] = {"rows": value}
    assert list(faults(client.http.post(f"{exports}/preview", json={**body, **numbers}))) == ["/rows"]
    sent = {"split": numbers, "parameters": {"actions_cap": value, "interval_milliseconds": value}}
    flags = {} if value is True else {"dry_run": value, "guard_formulas": value, "csv": {"header": value}}
    expected = {"/split/rows", "/parameters/actions_cap", "/parameters/interval_milliseconds"}
    expected |= {f"/{name}" if name != "csv" else "/csv/header" for name in flags}
    assert set(faults(client.create(**sent, **flags))) == expected
    assert set(faults(client.http.get(exports, params={"limit": "1_0", "since": "x", "cursor": "y"}))) == {
        *("limit", "since", "cursor")
    }


@pytest.mark.parametrize(
    ("timespan", "pointer"),
    [
        ({"start": MARCH["end"], "end": MARCH["start"]}, "/timespan/end"),
        ({"start": MARCH["start"], "end": MARCH["start"]}, "/timespan/end"),
        ({"start": MARCH["start"]}, "/timespan/end"),
        ({"start": "2026-02-30", "end": MARCH["end"]}, "/timespan/start"),
        ({**MARCH, "last": "7d"}, "/timespan/last"),
        ({"last": "7 days"}, "/timespan/last"),
        ({"last": "9999mo", "timezone": "Europe/Lisbon"}, "/timespan"),
        ({"last": "7d", "timezone": "+02:00"}, "/timespan/timezone"),
        ({"start": "1900-01-01", "end": MARCH["end"]}, "/timespan"),
        (MARCH["start"], "/timespan"),
    ],
)
def test_a_timespan_that_is_none(client: NativeWire, timespan: Any, pointer: str) -> None:
    found = faults(client.create(timespan=timespan))
    assert list(found) == [pointer]
    assert "pattern" not in found[pointer]["message"]


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"format": "cvs"}, "/format"),
        ({"report": REPORT[:-1]}, "/report"),
        ({"columns": []}, "/columns"),
        ({"columns": [1]}, "/columns/0"),
        ({"filters": [{"column": "status", "op": "eq", "value": {"a": 1}}]}, "/filters/0/value"),
        ({"filters": {}}, "/filters"),
        (
            {"filters": [{"column": "created_at", "op": "range", "value": [MARCH["end"], MARCH["start"]]}]},
            "/filters/0/value",
        ),
        ({"name": ""}, "/name"),
        ({"compression": "zstd", "format": "xlsx"}, "/compression"),
        ({"csv": {"delimiter": ";"}, "format": "json"}, "/csv"),
        ({"csv": {"delimiter": "::"}}, "/csv/delimiter"),
        ({"reuse_within": "1 day"}, "/reuse_within"),
        ({"guard_formulas": True, "format": "parquet"}, "/guard_formulas"),
    ],
)
def test_a_field_with_a_wrong_value(client: NativeWire, value: dict[str, Any], pointer: str) -> None:
    found = faults(client.create(**value))
    assert list(found) == [pointer]
    if pointer in ("/format", "/report"):
        assert found[pointer]["nearest"] in ("csv", REPORT)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "malformed_body"),
        (b"[]", "malformed_body"),
        (b'{"report": NaN}', "malformed_body"),
        (b'{"a": ' + b"[" * 32 + b"]" * 32 + b"}", "malformed_body"),
        (b'{"report": "\\u0000"}', "malformed_body"),
        (b'{"report": "\\ud800"}', "malformed_body"),
        (b" " * (LARGEST_BODY + 1), "body_too_large"),
    ],
    ids=["empty", "list", "nan", "deep", "nul", "half-a-pair", "too-large"],
)
def test_a_body_that_cannot_be_read(client: NativeWire, content: bytes, code: str) -> None:
    headers = {"Content-Type": "application/json"}
    assert_problem(client.http.post(f"{V1}/exports", content=content, headers=headers), 400, code)


def test_a_body_of_another_media_type(client: NativeWire) -> None:
    assert_problem(client.http.post(f"{V1}/exports", data={"report": REPORT}), 415, "unsupported_media_type")


def test_faulty_parameters_are_named(client: NativeWire) -> None:
    query = {"limit": "0", "state": "done"}
    found = faults(client.http.get(f"{V1}/exports", params=query))
    assert set(found) == {"limit", "state"}
    assert "queued" in found["state"]["accepted"]
    beyond = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"]  # the calendar, in UTC
    for cursor in ("abc", *(b64encode(json.dumps([each, "x"]).encode()).decode() for each in beyond)):
        assert set(faults(client.http.get(f"{V1}/exports", params={"cursor": cursor}))) == {"cursor"}
    found = faults(client.http.get(f"{V1}/exports", params={"stat": "queued", "limit": "0"}))
    assert list(found) == ["stat", "limit"]
    assert (found["stat"]["nearest"], found["stat"]["accepted"]) == (
        "state",
        ["report", "state", "since", "cursor", "limit"],
    )
    for since in ("2026-01-01T00:00:00", "yesterday", "-11716"):
        assert set(faults(client.http.get(f"{V1}/exports", params={"since": since}))) == {"since"}


def test_a_list_of_too_many_values_says_so(client: NativeWire) -> None:
    found = faults(client.create(filters=[{"column": "status", "op": "in", "value": ["x"] * 10_001}]))
    assert "at most 10000" in found["/filters/0/value"]["message"]


def test_values_of_the_request_are_not_repeated(client: NativeWire) -> None:
    secret = "jo@shop.example"
    filters = [{"column": "created_at", "op": "eq", "value": secret}]
    assert secret not in client.create(filters=filters).text


def test_a_path_that_does_not_exist(client: NativeWire) -> None:
    missing = assert_problem(client.http.get(f"{V1}/nothing"), 404, "no_such_path")
    assert "/v1/openapi.json" in missing["detail"]
    wrong = client.http.put(f"{V1}/exports")
    assert "it has GET, HEAD, POST" in assert_problem(wrong, 405, "method_not_allowed")["detail"]
    assert wrong.headers["allow"] == "GET, HEAD, POST"
    for method in ("GET", "HEAD", "DELETE"):  # it is not the id of an export
        wrong = client.http.request(method, f"{V1}/exports/preview")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert (
        assert_problem(client.http.get(f"{V1}/exports/x"), 404, "job_not_found")["detail"] == "There is no such export."
    )
    secret = "sEcReT-1"
    link = client.http.get(f"/download/{secret}/{secret}?expires={secret}&signature={secret}")
    assert (link.status_code, link.headers["content-type"]) == (403, "application/json")  # as for all dialects
    assert link.json() == {"code": "link_refused", "message": "The link is not valid; ask for a new one."}


# --- who may do what -------------------------------------------------------------------------------------------------


def test_a_request_without_a_valid_token(client: NativeWire, idle: Served) -> None:
    for header in ("", "Bearer", "Bearer nothing", "Bearer a.b", "Basic YTpi"):
        answer = httpx.get(f"{idle.url}{V1}/exports", headers={"Authorization": header}, trust_env=False)
        assert_problem(answer, 401, "not_authenticated")
        assert answer.headers["www-authenticate"] == 'Bearer realm="offtake"'


def test_a_token_without_the_scope(idle: Served) -> None:
    with native_client(idle, "reader", scopes=frozenset({Scope.READ})) as reader:
        assert reader.http.get(f"{V1}/exports").status_code == 200
        assert_problem(reader.create(), 403, "not_permitted")
        assert_problem(reader.create(format="cvs"), 403, "not_permitted")
    with native_client(idle, "writer", scopes=frozenset({Scope.WRITE})) as writer:
        export = writer.create().json()["id"]
        assert_problem(writer.http.get(f"{V1}/exports/{export}"), 403, "not_permitted")


def test_an_oauth_client_uses_its_access_token(client: NativeWire, idle: Served) -> None:
    made = idle.installation.add_client(client.tenant)
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.client_secret}
    token = httpx.post(f"{idle.url}/oauth/token", data=form, trust_env=False).json()["access_token"]
    with connect(idle.url, token, client.tenant) as other:
        assert other.create().status_code == 202


LIMITED = """
[native]
open_jobs = 1
creates_per_minute = 3
reads_per_minute = 2
"""


def test_rates_and_quotas(tmp_path: Path) -> None:
    with in_process(tmp_path, LIMITED) as here:
        identity.add_tenant(Tenant(name="acme"), here.on)
        here.http.headers["Authorization"] = f"Bearer {loop.token(here.installation, 'acme', user=None)}"
        client = NativeWire(here.http, "acme")
        made = client.create()
        assert (made.headers["ratelimit-policy"], made.status_code) == ('"create";q=3;w=60', 202)
        assert made.headers["ratelimit"].startswith('"create";r=2;t=')
        refused = client.create()
        assert_problem(refused, 429, "quota_exceeded")
        assert (refused.headers["retry-after"], refused.headers["ratelimit"][:12]) == ("5", '"create";r=1')
        assert client.create(format="cvs").headers["ratelimit"].startswith('"create";r=0;')
        refused = client.create()
        assert_problem(refused, 429, "rate_exceeded")
        assert refused.headers["ratelimit-policy"] == made.headers["ratelimit-policy"]
        assert refused.headers["ratelimit"].startswith('"create";r=0;t=')
        assert 0 < int(refused.headers["retry-after"]) <= 60
        reads = [client.http.get(f"{V1}/usage") for _ in range(3)]
        assert [each.status_code for each in reads] == [200, 200, 429]
        assert reads[1].headers["ratelimit"].startswith('"read";r=0;t=')


def test_an_account_over_its_storage_budget_learns_what_is_used(tmp_path: Path) -> None:
    with in_process(tmp_path, "[budget]\nkept_rows = 3\n") as here:
        identity.add_tenant(Tenant(name="acme"), here.on)
        loop.load(here.installation, "acme", [*loop.PEOPLE, *loop.talk("c1", "2026-03-02T10:00:00Z")])
        here.http.headers["Authorization"] = f"Bearer {loop.token(here.installation, 'acme', user=None)}"
        client = NativeWire(here.http, "acme")
        for _ in range(3):
            assert client.create().status_code == 202
            here.work()
        refused = client.create()
        problem = assert_problem(refused, 507, "budget_exceeded")
        assert int(refused.headers["retry-after"]) > 0
        assert "have 3 rows and may have 3; delete files" in problem["detail"]
        listed = {each["id"]: each for each in client.http.get(f"{V1}/exports").json()["exports"]}
        assert len(problem["frees"]) == len(listed) == 3
        for each in problem["frees"]:
            export = listed[each["export"]]
            assert each == {
                **{name: export[name] for name in ("report", "bytes", "rows")},
                "export": export["id"],
                "dialect": "native",
                "files": 1,
                "delete": f"DELETE {V1}/exports/{export['id']}",
            }
        used = client.http.get(f"{V1}/usage").json()
        assert (used["kept_files"], used["kept_rows"]) == (3, 3)
        # A person learns of no exports of others.
        rita = loop.token(here.installation, "acme", user=loop.RITA, scopes=DEFAULT_SCOPES)
        headers = {"Authorization": f"Bearer {rita}"}
        hers = assert_problem(client.create(headers=headers), 507, "budget_exceeded")
        assert hers["detail"].startswith("The files of the account may have 3 rows; delete files")
        assert "frees" not in hers
        nothing = {name: None if name == "next_expiry" else 0 for name in used}
        assert client.http.get(f"{V1}/usage", headers=headers).json() == nothing
        assert client.http.request(*problem["frees"][0]["delete"].split(" ")).status_code == 204
        assert client.create(headers=headers).status_code == 202
        assert client.http.get(f"{V1}/usage", headers=headers).json() == {**nothing, "open_exports": 1}
        here.work()
        own = client.http.get(f"{V1}/usage", headers=headers).json()
        whole = client.http.get(f"{V1}/usage").json()
        (mine,) = client.http.get(f"{V1}/exports", headers=headers).json()["exports"]
        assert (own["kept_files"], own["kept_rows"], own["kept_bytes"]) == (1, mine["rows"], mine["bytes"])
        assert (own["daily_bytes"], own["next_expiry"]) == (mine["bytes"], mine["expires_at"])
        assert (whole["kept_files"], whole["kept_rows"]) == (3, 2 + mine["rows"])


# --- the pages -------------------------------------------------------------------------------------------------------


def test_the_page_of_the_server_names_every_api_and_needs_no_other_host(idle: Served) -> None:
    with httpx.Client(base_url=idle.url, trust_env=False) as http:
        home = http.get("/")
        assert "version <code>" in home.text
        for name in ("native", "khoros", "talkdesk", "loop"):
            viewer = http.get(f"/docs/{name}")
            assert "default-src 'none'" in viewer.headers["content-security-policy"]
            assert f'href="docs/{name}"' in home.text
            assert "http" not in viewer.text
            links = [part.split('"')[0] for part in viewer.text.replace("data-document=", "href=").split('ef="')[1:]]
            scripts = [part.split('"')[0] for part in viewer.text.split('src="')[1:]]
            for link in {*links, *scripts}:
                assert http.get(httpx.URL(f"{idle.url}/docs/").join(link)).status_code == 200, link
        script = http.get("/docs/assets/swagger-ui-bundle.js")
        again = http.get("/docs/assets/swagger-ui-bundle.js", headers={"If-None-Match": script.headers["etag"]})
        assert (script.headers["content-type"], again.status_code) == ("text/javascript; charset=utf-8", 304)
        assert http.get("/docs/nothing").status_code == http.get("/docs/assets/LICENSE").status_code == 404
