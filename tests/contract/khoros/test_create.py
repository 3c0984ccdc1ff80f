"""Creating exports (Khoros contract 1.2 to 1.4, 2 and 4.1)."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from offtake.model.tenant import Scope
from tests.conftest import PUBLIC_URL
from tests.fixtures.golden import golden
from tests.fixtures.installation import Served
from tests.fixtures.khoros import MARCH, ROOT, KhorosWire, User, add_user, connect, ms, new_user
from tests.fixtures.polling import wait_for

START, END = ms(MARCH[0]), ms(MARCH[1])
CARE = (
    "author",
    "combined",
    "conversation",
    "conversation_actions",
    "conversation_history_action",
    "incoming_post",
    "raw_agent_states",
    "raw_expert_help",
    "response",
    "response_approval",
    "team_performance",
    "team_performance_interval",
    "user",
)


@pytest.fixture(scope="module")
def user(idle: Served) -> User:
    return new_user(idle, "create")


@pytest.fixture(scope="module")
def client(idle: Served, user: User) -> Iterator[KhorosWire]:
    with connect(idle, user) as made:
        yield made


def assert_created(answer: httpx.Response, user: User) -> dict[str, Any]:
    """Khoros contract 4.1, field by field; nothing else."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    body = answer.json()
    assert list(body) == ["status", "request", "message", "result"]
    assert (body["status"], body["request"], body["message"]) == ("PASS", None, None)
    result: dict[str, Any] = body["result"]
    assert list(result) == ["workflowId", "runId", "downloadUrl", "statusUrl"]
    assert uuid.UUID(result["workflowId"]).version == 3
    assert re.fullmatch(r"23[A-Za-z0-9+/]{43}=", result["runId"])
    assert result["downloadUrl"] == ""
    start = f"{PUBLIC_URL}{ROOT}/reports/report/{result['workflowId']}/"
    assert result["statusUrl"].startswith(start)
    rest = result["statusUrl"].removeprefix(start)
    assert re.fullmatch(r"23[A-Za-z0-9%]+%3D/status\?companyKey=[a-z0-9-]+", rest)
    assert unquote(rest.partition("/")[0]) == result["runId"]
    assert rest.endswith(f"?companyKey={user.company_key}")
    return result


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("report", [*CARE, "report/conversation", "marketing/brand_post"])
def test_every_export_can_be_created_by_post_and_get(report: str, method: str, client: KhorosWire, user: User) -> None:
    """Khoros contract 1.3, documented for each: POST or GET; the doubled segment and the Publishing path included."""
    assert_created(client.send_create(report, method=method, timeInterval="86400000", raiselimit="true"), user)


FORM = f"startTime={START}&endTime={END}"
BODIES = [
    golden("1.4", "documented", "form", {"data": {"startTime": START, "endTime": END, "agentId": ["1", "2"]}}),
    golden("1.4", "seen", "form-called-json", {"content": FORM, "headers": {"Content-Type": "application/json"}}),
    golden("1.4", "seen", "form-with-a-blank", {"content": f"startTime={START}& endTime={END}&&"}),
    golden("1.4", "proposed", "flat-json", {"json": {"startTime": int(START), "endTime": END, "raiselimit": True}}),
]  # fmt: skip


@pytest.mark.parametrize("sent", BODIES)
@pytest.mark.parametrize("report", CARE)
def test_parameters_in_the_body(report: str, sent: dict[str, Any], client: KhorosWire, user: User) -> None:
    query = {"companyKey": user.company_key, "timeInterval": "86400000"}
    assert_created(client.http.post(f"{ROOT}/reports/report/{report}", params=query, **sent), user)


@pytest.mark.parametrize(
    "body",
    [
        f'{{"startTime": {START}.0, "endTime": 1.7750015e12}}',
        f'\ufeff{{"startTime": {START}, "endTime": {END}}}',
        f"\ufeff{FORM}",
    ],
    ids=["whole-floats", "json-after-a-byte-order-mark", "form-after-a-byte-order-mark"],
)
def test_numbers_and_byte_order_marks_as_clients_write_them(body: str, client: KhorosWire, user: User) -> None:
    """Khoros contract 1.4, proposed."""
    query = {"companyKey": user.company_key}
    assert_created(client.http.post(f"{ROOT}/reports/report/user", params=query, content=body.encode()), user)


def test_the_same_request_is_the_same_workflow_and_another_run(client: KhorosWire, user: User) -> None:
    """Khoros contract 4.1, inferred: also if the request is sent in another way."""
    first = assert_created(client.send_create("user", reportFormat="CSV"), user)
    again = assert_created(client.send_create("user", method="GET", reportFormat="csv", nonsense="x"), user)
    body = {"startTime": START, "endTime": END, "reportFormat": "csv"}
    posted = client.http.post(f"{ROOT}/reports/report/user", params={"companyKey": user.company_key}, data=body)
    other = assert_created(client.send_create("user", reportFormat="json"), user)
    assert (
        first["workflowId"] == again["workflowId"] == assert_created(posted, user)["workflowId"] != other["workflowId"]
    )
    assert len({result["runId"] for result in (first, again, other)}) == 3


ACCEPTS = [
    golden("4", "documented", "json", {"Accept": "application/json"}, "application/json; charset=utf-8"),
    golden("4", "proposed", "text", {"Accept": "text/plain"}, "text/plain; charset=utf-8"),
    golden("4", "proposed", "both", {"Accept": "text/plain, application/json"}, "application/json; charset=utf-8"),
    golden("4", "proposed", "anything", {"Accept": "*/*"}, "application/json; charset=utf-8"),
]


@pytest.mark.parametrize(("headers", "media_type"), ACCEPTS)
def test_the_media_type_of_an_answer(headers: dict[str, str], media_type: str, client: KhorosWire) -> None:
    query = {"companyKey": client.user.company_key, "startTime": START, "endTime": END}
    answer = client.http.get(f"{ROOT}/reports/report/user", params=query, headers=headers)
    assert answer.headers["content-type"] == media_type
    assert answer.json()["status"] == "PASS"


# --- authorization --------------------------------------------------------------------------------------------------


def assert_failed(answer: httpx.Response, status: int) -> str:
    """Khoros contract 4.7, proposed: check the body of an error and return its result, the more detailed text."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    body = answer.json()
    assert list(body) == ["status", "request", "message", "result"]
    assert (body["status"], body["request"]) == ("FAIL", None)
    assert isinstance(body["message"], str)
    assert body["message"]
    result: str = body["result"]
    assert isinstance(result, str)
    return result


AUTHORIZATIONS = [
    golden("1.2", "documented", "none", None),
    golden("1.2", "documented", "bearer", "Bearer abc"),
    golden("1.2", "documented", "no-base64", "Basic ???"),
    golden("1.2", "documented", "no-colon", "Basic YWJj"),
    golden("1.2", "documented", "unknown-user", "Basic bm9ib2R5Om5vdGhpbmc="),
    golden("1.2", "documented", "not-utf-8", "Basic /zr/"),
]


@pytest.mark.parametrize("header", AUTHORIZATIONS)
def test_a_request_without_a_valid_user_is_401(header: str | None, idle: Served) -> None:
    headers = {} if header is None else {"Authorization": header}
    with httpx.Client(base_url=idle.url, headers=headers, trust_env=False) as http:
        for path in (
            "/reports/report/user",
            "/reports/jobs",
            "/teams",
            "/config/timezones",
            "/reports/report/a/b/status",
        ):
            answer = http.get(ROOT + path)
            assert_failed(answer, 401)
            assert answer.headers["www-authenticate"].startswith("Basic")


def test_a_wrong_password_and_an_unknown_user_get_the_same_response(idle: Served, user: User) -> None:
    with httpx.Client(base_url=idle.url, trust_env=False) as http:
        answers = [http.get(f"{ROOT}/teams", auth=auth) for auth in ((user.name, "x"), ("unknown", "x"))]
    assert answers[0].json() == answers[1].json()
    assert {answer.status_code for answer in answers} == {401}


def test_another_tenants_company_key_is_refused_like_an_unknown_one(idle: Served, client: KhorosWire) -> None:
    """Khoros contract 1.2 and 4.7: the response does not reveal which keys exist."""
    other = new_user(idle, "other")
    answers = [client.send_create("user", companyKey=key) for key in (other.company_key, "unknown-key")]
    assert assert_failed(answers[0], 403) == assert_failed(answers[1], 403)
    assert "companyKey" in assert_failed(client.send_create("user", companyKey=""), 400)


def test_a_user_without_the_scope_is_refused(idle: Served, user: User) -> None:
    """Khoros contract 1.2, documented: the account needs the Analytics role."""
    reader = add_user(idle, user.tenant, user.company_key, name="reader@example.org", scopes=frozenset({Scope.READ}))
    unscoped = add_user(idle, user.tenant, user.company_key, name="unscoped@example.org", scopes=frozenset())
    with connect(idle, reader) as read_only, connect(idle, unscoped) as denied:
        assert_failed(read_only.send_create("user"), 403)
        assert read_only.get("/teams").status_code == 200
        for path in ("/teams", "/config/timezones", "/reports/jobs"):
            assert_failed(denied.get(path), 403)


def test_the_same_name_in_two_tenants(idle: Served, user: User) -> None:
    """One e-mail address may be a user of several tenants; the password decides."""
    other = new_user(idle, "namesake")
    twins = [add_user(idle, each.tenant, each.company_key, name="twin@example.org") for each in (user, other)]
    for twin in twins:
        with connect(idle, twin) as client:
            assert_created(client.send_create("user"), twin)


def test_a_company_key_without_a_parameter_name_is_accepted(client: KhorosWire, user: User) -> None:
    """Khoros contract 7: one of the vendor's samples ends in ``?<key>``."""
    assert client.http.get(f"{ROOT}/teams?{user.company_key}").status_code == 200
    assert_failed(client.http.get(f"{ROOT}/teams?other"), 400)


# --- refused requests -------------------------------------------------------------------------------------------------

REFUSED = [
    golden("4.7", "proposed", "unknown-report", "nonsense", {}, 404),
    golden("2", "proposed", "care-below-publishing", "marketing/conversation", {}, 404),
    golden("4.7", "proposed", "no-time", "user", {"startTime": ""}, 400),
    golden("4.7", "proposed", "unknown-zone", "user", {"timezone": "Mars/Base"}, 400),
    golden("4.7", "proposed", "reversed", "user", {"endTime": "1"}, 400),
    golden("6", "documented", "four-months", "author", {"startTime": ms("2025-12-01T00:00:00")}, 400),
    golden("5.4", "documented", "odd-interval", "team_performance_interval", {"timeInterval": "60000"}, 400),
    golden("5.4", "documented", "fine-interval", "team_performance_interval", {"timeInterval": "3600000"}, 400),
]


@pytest.mark.parametrize(("report", "more", "status"), REFUSED)
def test_an_invalid_request_is_refused(report: str, more: dict[str, Any], status: int, client: KhorosWire) -> None:
    assert_failed(client.send_create(report, **more), status)


def test_unknown_columns_are_listed_in_a_header(client: KhorosWire, user: User, idle: Served) -> None:
    """Khoros contract 5.6, proposed; the log holds their number only, because a client may send any text."""
    answer = client.send_create("user", reportMetrics=["AGENT_ID", "Nope", "é\r\nX: y"])
    assert_created(answer, user)
    assert answer.headers["x-export-ignored-metrics"] == "Nope, %C3%A9%0D%0AX%3A%20y"

    def logged() -> dict[str, Any] | None:
        own = answer.headers["x-request-id"]
        return next((line for line in idle.running.log_lines() if line.get("request") == own), None)

    line = wait_for("the line of the request", logged)
    assert line["ignored_metrics"] == 2
    assert "Nope" not in json.dumps(line)
    assert "x-export-ignored-metrics" not in client.send_create("user", reportMetrics="AGENT_ID").headers


def test_the_only_public_error_text(client: KhorosWire) -> None:
    """Khoros contract 4.7, documented: the count is the window by the interval plus one."""
    window = ("2026-03-01T00:00:00", "2026-04-01T00:00:00")
    result = assert_failed(client.send_create("team_performance_interval", window, timeInterval="3600000"), 400)
    assert result.startswith("Unable to hydrate filter for export info:")
    assert "com.lithium.socialweb.analytics.webapp.models.filter.HydrationException" in result
    assert result.endswith("Too many buckets (745) requested. Select a larger interval?")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 404),
        ("GET", "/reports", 404),
        ("GET", "/reports/report", 404),
        ("GET", "/reports/report/a/b", 404),
        ("GET", "/reports/report/a/b/rows", 404),
        ("DELETE", "/reports/report/user", 405),
        ("PUT", "/teams", 405),
        ("POST", "/reports/report/a/b/status", 405),
    ],
)
def test_paths_and_methods_that_do_not_exist(method: str, path: str, status: int, client: KhorosWire) -> None:
    answer = client.http.request(method, ROOT + path)
    assert_failed(answer, status)
    assert (status == 405) == ("allow" in answer.headers)


@pytest.mark.parametrize(
    "body",
    [
        b'{"companyKey": ' + b"[" * 700 + b"]" * 700 + b"}",
        b'{"companyKey": ' + b"[" * 30_000,
        rb'{"companyKey": "\ud800"}',
        rb'{"companyKey": ["\udfff"]}',
    ],
    ids=["700-levels", "cut-at-30000-levels", "half-a-pair", "half-a-pair-in-a-list"],
)
def test_a_body_that_cannot_be_read_is_refused(body: bytes, client: KhorosWire) -> None:
    """The server reads it before it authenticates the client."""
    assert_failed(client.http.post(f"{ROOT}/reports/report/user", content=body), 400)


def test_a_multipart_body_is_refused_with_what_to_send(client: KhorosWire) -> None:
    """Khoros contract 1.4, proposed."""
    query = {"companyKey": client.user.company_key, "startTime": START, "endTime": END}
    answer = client.http.post(f"{ROOT}/reports/report/user", params=query, files={"locale": (None, "en")})
    assert "application/x-www-form-urlencoded" in assert_failed(answer, 400)


def test_a_number_in_a_body_is_refused_with_its_name(client: KhorosWire) -> None:
    """Khoros contract 1.4, proposed: a number with a fraction is read, and then refused like such a text."""
    body = b'{"companyKey": "%s", "startTime": 1.5, "endTime": 1e999}' % client.user.company_key.encode()
    result = assert_failed(client.http.post(f"{ROOT}/reports/report/user", content=body), 400)
    assert "startTime: not a whole number" in result
    assert "endTime: not a whole number" in result


def test_a_body_that_is_too_large(client: KhorosWire) -> None:
    assert_failed(client.http.post(f"{ROOT}/reports/report/user", content=b"a=1&" * 20_000), 413)


def test_the_number_of_open_jobs_is_limited(idle: Served) -> None:
    """Khoros contract 6: no number is public, so it is a setting."""
    with connect(idle, new_user(idle, "quota")) as client:
        codes = [client.send_create("user").status_code for _ in range(101)]
        assert codes == [200] * 100 + [429]
        answer = client.send_create("user")
        assert_failed(answer, 429)
        assert int(answer.headers["retry-after"]) > 0


def test_a_status_url_has_the_configured_scheme_host_and_prefix(client: KhorosWire) -> None:
    """Khoros contract 1.1: scheme, host and prefix are the configured ones, whatever the client addressed."""
    url = urlsplit(client.create("user"))
    assert f"{url.scheme}://{url.netloc}" == "https://exports.example.org"
    assert url.path.startswith("/care/api/public/reports/report/")
