"""Logs and error bodies contain no secret, no signature, no row and no phone number."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.fixtures import loop
from tests.fixtures.bodies import UNKNOWN_JOB
from tests.fixtures.care import call
from tests.fixtures.installation import Served
from tests.fixtures.khoros import connect, new_user
from tests.fixtures.loop import LoopWire
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import Credential, TalkdeskWire

NUMBER = "+420777123456"
TEXT = "the customer's secret words"
EMAIL = "not.in.logs@example.org"
NAME = "a name for the export"
MARCH = ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")


@pytest.fixture(scope="module")
def credential(busy: Served) -> Credential:
    tenant = busy.tenant("secrets")
    agent = {"agent_id": "a1", "name": TEXT, "email": EMAIL, "is_active": True}
    row = call("c1", "2026-03-05T10:00:00Z", customer_number=NUMBER, notes=TEXT, agent_id="a1")
    busy.installation.load("agent", [agent], tenant=tenant.tenant)
    busy.installation.load("call", [row], tenant=tenant.tenant)
    return tenant


def test_a_talkdesk_export_with_errors_reveals_no_secret(busy: Served, credential: Credential) -> None:
    with busy.client(credential) as client:
        links, jobs = _exports(client)
        refusals = [*_refused_calls(client, jobs[0]), *_refused_links(links[0]), *_refused_tokens(client, credential)]
        token = client.token
    bodies = "".join(answer.text for answer in refusals)
    assert all(400 <= answer.status_code < 500 for answer in refusals)
    signatures = [parse_qs(urlsplit(link).query)["signature"][0] for link in links]
    secrets = [credential.client_secret, token, NUMBER, TEXT, EMAIL, NAME, *signatures]
    assert [secret for secret in secrets if secret in bodies] == []

    def logged() -> str | None:
        lines = busy.running.log_lines()
        ended = {line.get("job") for line in lines if line["event"] == "attempt"}
        return busy.running.log.read_text() if set(jobs) <= ended else None

    log = wait_for("the log lines of the attempts", logged)
    assert log.count('"request"') > len(refusals)  # the log is not empty
    assert [secret for secret in secrets if secret in log] == []
    assert "wrong-secret" not in log + bodies


def test_a_khoros_export_reveals_no_secret(busy: Served) -> None:
    """Passwords, tokens of jobs and filter values; a response repeats only the name of an unknown column."""
    user = new_user(busy, "khoros-secrets")
    with connect(busy, user) as client:
        done = client.wait(client.create("user", agentId=TEXT))["jobInfo"]
        link = client.http.get(done["downloadUrl"]).headers["location"]
        assert client.http.get(link).status_code == 200
        refusals = [
            client.send_create("conversation", smartViewId=TEXT, priorities=NUMBER),
            client.send_create("conversation", timezone=TEXT, locale=EMAIL),
            client.send_create("conversation", businessHourType=TEXT, reportFormat=NAME, timezoneOffset=NUMBER),
            client.send_create("conversation", companyKey=TEXT),
            client.send_create(TEXT),
            client.http.get(done["statusUrl"], auth=(user.name, "wrong-secret")),
            client.http.get(done["statusUrl"].partition("?")[0], params={"companyKey": TEXT}),
            client.http.get(done["downloadUrl"].partition("?")[0], params={"analyticsAccessToken": TEXT}),
        ]
    assert all(400 <= answer.status_code < 500 for answer in refusals)
    token = parse_qs(urlsplit(done["statusUrl"]).query)["analyticsAccessToken"][0]
    signature = parse_qs(urlsplit(link).query)["signature"][0]
    secrets = [user.password, token, done["runId"], signature, TEXT, NUMBER, EMAIL, NAME, "wrong-secret"]
    bodies = "".join(answer.text for answer in refusals)
    assert [secret for secret in secrets if secret in bodies] == []
    log = busy.running.log.read_text()
    assert log.count("/api/public/reports/report/") > len(refusals)  # the log is not empty
    assert [secret for secret in secrets if secret in log] == []


def test_a_loop_export_reveals_no_secret(busy: Served) -> None:
    """Tokens, signatures, filter values and the names of impersonated users."""
    tenant = loop.tenant(busy, "loop-secrets", [*loop.PEOPLE, *loop.TALKS])
    token = loop.token(busy.installation, tenant)
    with LoopWire.connect(busy.url, token) as client:
        export = client.create(tagIds=[NUMBER], customerIds=[EMAIL], teammateIds=[loop.RITA])
        assert client.wait(export) == "Completed"
        link = client.url(export)
        assert httpx.get(link, trust_env=False).status_code == 200
        path = f"{loop.API}/exports/{export}"
        body = {"start": loop.START, "end": loop.END}
        refusals = [
            client.send_create({**body, "timezone": TEXT, "tagIds": [NUMBER * 40], "customerIds": [TEXT]}),
            client.send_create({**body, "resultFormat": NAME}, X_Impersonate_User=EMAIL),
            client.send_create(body, Idempotency_Key=TEXT),
            client.read(TEXT),
            client.http.get(path, headers={"Authorization": f"Bearer {token[:-4]}wrong-secret"}),
            client.http.get(path, headers={"Authorization": TEXT}),
            httpx.get(link.replace("Signature=", "Signature=x"), trust_env=False),
            httpx.get(link.replace("Expires=", "Expires=1"), trust_env=False),
        ]
    assert all(400 <= answer.status_code < 500 for answer in refusals)
    signature = parse_qs(urlsplit(link).query)["Signature"][0]
    secrets = [token, token.partition(".")[2], signature, NUMBER, TEXT, EMAIL, NAME, loop.RITA, "wrong-secret"]
    bodies = "".join(answer.text for answer in refusals)
    assert [secret for secret in secrets if secret in bodies] == []
    log = busy.running.log.read_text()
    assert log.count(loop.API) > len(refusals)  # the log is not empty
    assert [secret for secret in secrets if secret in log] == []


def test_log_lines_carry_the_ids_that_support_needs(busy: Served, credential: Credential) -> None:
    with busy.client(credential) as client:
        answer = client.send_create("calls", {"timespan": {"from": MARCH[0], "to": MARCH[1]}})
        job, request = answer.json()["job"]["id"], answer.headers["x-request-id"]
        assert client.wait("calls", job) == "done"
    lines = [line for line in busy.running.log_lines() if line.get("request") == request]
    assert [line["event"] for line in lines] == ["request"]  # one line per request
    ids = {"tenant": credential.tenant, "job": job, "dialect": "talkdesk", "principal": credential.client_id}
    seen = {"method": "POST", "route": "/data/reports/{report_type}/jobs", "status": 202, "bytes": len(answer.content)}
    assert lines[0] | ids | seen == lines[0]
    assert lines[0]["milliseconds"] > 0

    def attempts() -> list[dict[str, object]]:
        return [line for line in busy.running.log_lines() if line["event"] == "attempt" and line["job"] == job]

    (attempt,) = wait_for("the log line of the attempt", attempts)
    expected = {"tenant": credential.tenant, "attempt": 1, "dialect": "talkdesk", "outcome": "succeeded", "rows": 1}
    assert attempt | expected == attempt


def test_a_secret_anywhere_in_a_request_is_not_logged(busy: Served) -> None:
    """Tried in every header, path, query and body, for every kind of path."""
    secret = "s3cret-of-a-request"
    names = ["user-agent", "referer", "cookie", "x-request-id", "x-forwarded-for", "x-forwarded-host", "forwarded"]
    names += [
        "range",
        "if-range",
        "if-none-match",
        "idempotency-key",
        "impersonate",
        "content-type",
        "accept",
        "origin",
    ]
    headers = [{name: secret} for name in names]
    headers += [{"authorization": f"{scheme} {secret}"} for scheme in ("Bearer", "Basic", "Digest", secret)]
    paths = ["/healthz", "/readyz", "/metrics", "/oauth/token", "/data/reports", "/openapi.json", "/download/a/b"]
    paths += ["/api/public/reports/report/x", f"/{secret}", f"/data/reports/{secret}/jobs/{secret}"]
    paths += [f"/download/{secret}/b"]
    before = len(busy.running.log.read_text())
    with httpx.Client(base_url=busy.url, trust_env=False, timeout=60) as http:
        for path in paths:
            for one in headers:
                http.get(path, headers=one)
            for method in ("GET", "HEAD", "POST", "DELETE", "PATCH"):
                http.request(method, path, params={"q": secret, secret: "x"})
            http.post(path, json={"a": secret})
            http.post(path, content=secret, headers={"expect": secret})
    log = busy.running.log.read_text()[before:]
    assert log.count('"event": "request"') >= len(paths) * (len(headers) + 5)
    assert secret not in log


def test_the_log_line_of_a_download_has_tenant_job_and_bytes(busy: Served, credential: Credential) -> None:
    with busy.client(credential) as client:
        job = client.create("calls", *MARCH)
        assert client.wait("calls", job) == "done"
        answer = client.download("calls", job)
    sent = answer.headers["x-request-id"]
    # The server writes the line after the response is sent, so the client may see its end first.
    (line,) = wait_for("the line", lambda: [one for one in busy.running.log_lines() if one.get("request") == sent])
    expected = {"tenant": credential.tenant, "dialect": "talkdesk", "job": job, "bytes": len(answer.content)}
    assert line | expected == line
    assert "cut" not in line


def _exports(client: TalkdeskWire) -> tuple[list[str], list[str]]:
    """Create and download one export per format; return the links and the jobs."""
    jobs = [client.create("calls", *MARCH, format_=word, name=NAME) for word in ("csv", "json", "json_bulk")]
    assert {client.wait("calls", job) for job in jobs} == {"done"}
    links = [client.link("calls", job) for job in jobs]
    for link in links:
        assert NUMBER in httpx.get(link, trust_env=False).text
    return links, jobs


def _refused_calls(client: TalkdeskWire, job: str) -> list[httpx.Response]:
    http, headers = client.http, client.headers
    texts = {"from": TEXT, "to": NUMBER}
    return [
        client.poll("calls", UNKNOWN_JOB),
        client.poll(NUMBER, job),
        client.file("user_status", job),
        client.cancel("calls", job),
        client.send_create("calls", {"name": NAME, "timespan": texts}),
        client.send_create("calls", {"name": NAME, "timezone": TEXT, "timespan": dict(zip(texts, MARCH, strict=True))}),
        client.send_create("calls", {"name": NAME, "timespan": dict(zip(texts, reversed(MARCH), strict=True))}),
        http.post("/data/reports/calls/jobs", content=TEXT, headers=headers),
        http.post("/data/reports/calls/jobs", content=NUMBER * 10_000, headers=headers),
        http.get(f"/data/reports/calls/jobs/{job}", headers={"Authorization": f"Bearer {client.token}x"}),
        http.get(f"/data/reports/calls/jobs/{job}", params={"access_token": client.token}),
        http.put(f"/data/reports/calls/jobs/{job}", headers=headers),
    ]


def _refused_links(link: str) -> list[httpx.Response]:
    return [
        httpx.get(link + "x", trust_env=False),
        httpx.get(link.replace("expires=", "expires=1"), trust_env=False),
        httpx.get(link.split("&", maxsplit=1)[0], trust_env=False),
        httpx.post(link, trust_env=False),
    ]


def _refused_tokens(client: TalkdeskWire, credential: Credential) -> list[httpx.Response]:
    def ask(client_id: str, secret: str, grant: str) -> httpx.Response:
        return client.http.post("/oauth/token", data={"grant_type": grant}, auth=(client_id, secret))

    return [
        ask(credential.client_id, "wrong-secret", "client_credentials"),
        ask(credential.client_secret, credential.client_secret, "client_credentials"),
        ask(credential.client_id, credential.client_secret, TEXT),
        client.http.post(
            "/oauth/token", params={"client_id": credential.client_id, "client_secret": credential.client_secret}
        ),
    ]
