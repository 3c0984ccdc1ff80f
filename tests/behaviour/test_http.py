"""HTTP as clients use it, in every dialect: headers, methods and paths that no vendor's page describes."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.fixtures.dialects import DIALECT_CASES, DialectCase
from tests.fixtures.installation import Installation, Served
from tests.fixtures.native import MARCH, REPORT, V1, native_client
from tests.fixtures.raw_http import connection, status_of

_by_dialect = pytest.mark.parametrize("case", DIALECT_CASES, ids=[case.dialect for case in DIALECT_CASES])
OFFER = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAoAAAAAIAAAAA"}


@_by_dialect
def test_a_request_that_offers_http_2_is_answered_with_its_body(idle: Served, case: DialectCase) -> None:
    """RFC 9110 7.8: a server may ignore the Upgrade header."""
    with case.account(idle, "upgrade") as account:
        request = account.client.build_create(case.export)
        request.headers.update(OFFER)
        first, second = account.client.http.send(request), account.client.http.send(request)
    assert [first.is_success, second.is_success] == [True, True], first.text


def _ask(request: httpx.Request, method: str, client: httpx.Client) -> tuple[int, dict[str, str], bytes]:
    """Send the request with that method; return status, headers that do not change, and body."""
    answer = client.send(httpx.Request(method, request.url, headers=request.headers))
    changing = {"date", "x-request-id", "location", "ratelimit-remaining", "ratelimit-reset"}
    return answer.status_code, {k: v for k, v in answer.headers.items() if k not in changing}, answer.content


@contextmanager
def creating(dialect: str, served: Served) -> Iterator[httpx.Request]:
    """Yield a valid request of that dialect that creates an export."""
    if dialect == "native":
        with native_client(served, "strict") as native:
            body = {"report": REPORT, "timespan": MARCH}
            yield native.http.build_request("POST", f"{V1}/exports", json=body)
        return
    case = next(each for each in DIALECT_CASES if each.dialect == dialect)
    with case.account(served, "strict") as account:
        yield account.client.build_create(case.export)


@pytest.mark.parametrize("dialect", ["native", *(case.dialect for case in DIALECT_CASES)])
def test_what_servers_read_differently_is_refused(idle: Served, dialect: str) -> None:
    """Several Authorization headers, equal keys in an object, and an encoded body; then a body that is announced as too
    large is refused before the client has sent any of it."""
    with creating(dialect, idle) as request, httpx.Client(trust_env=False) as http:

        def send(headers: list[tuple[str, str]], content: bytes | None) -> httpx.Response:
            kept = [(name, value) for name, value in request.headers.multi_items() if name != "content-length"]
            return http.send(httpx.Request("POST", request.url, headers=[*kept, *headers], content=content))

        other = ("Authorization", request.headers["authorization"])
        assert send([other], request.content).status_code == 401
        json_type = [] if "content-type" in request.headers else [("Content-Type", "application/json")]
        repeated = send(json_type, b'{"start": 1, "start": 2}')
        assert (repeated.status_code, "/start" in repeated.text) == (400, True), repeated.text
        encoded = send([("Content-Encoding", "gzip")], gzip.compress(request.content))
        assert (encoded.status_code, encoded.headers["accept-encoding"]) == (415, "identity")
        assert send([("Content-Encoding", "identity")], request.content).is_success
        with connection(idle.url) as made:
            head = f"POST {request.url.raw_path.decode()} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n"
            kept = "".join(
                f"{name}: {request.headers[name]}\r\n"
                for name in ("authorization", "content-type")
                if name in request.headers
            )
            made.sendall(f"{head}{kept}Expect: 100-continue\r\n\r\n".encode())
            assert status_of(made) == (400 if dialect == "native" else 413)


@_by_dialect
def test_head_is_answered_like_get_without_the_body(idle: Served, case: DialectCase) -> None:
    """RFC 9110 9.3.2: the same status and headers, Content-Length included."""
    with case.account(idle, "head") as account:
        request = account.client.build_status(account.create())
        status, headers, body = _ask(request, "GET", account.client.http)
        assert _ask(request, "HEAD", account.client.http) == (status, headers, b"")
    assert (status, int(headers["content-length"])) == (200, len(body))


def test_every_get_answers_head_except_those_that_create(idle: Served) -> None:
    """The documents of the dialects included; Khoros creates exports by GET as well."""
    paths = httpx.get(f"{idle.url}/openapi.json", trust_env=False).json()["paths"]
    own = ["/openapi.json", "/data/openapi.json", "/api/public/openapi.json", "/api/v1/report/openapi.json"]
    found: dict[str, tuple[int, int]] = {}
    for path in (*own, *(path for path, methods in paths.items() if "get" in methods)):
        url = idle.url + path.replace("{", "").replace("}", "")
        asked, got = (httpx.request(method, url, trust_env=False) for method in ("HEAD", "GET"))
        assert asked.content == b""
        assert asked.headers["content-type"] == got.headers["content-type"]
        if asked.status_code != got.status_code:
            found[path] = (asked.status_code, got.status_code)
            assert asked.headers["allow"] == "GET, POST"
    assert found == {
        "/api/public/reports/report/{report_type}": (405, 401),
        "/api/public/reports/report/marketing/{report_type}": (405, 401),
    }


@_by_dialect
@pytest.mark.parametrize("change", ["at-the-end", "doubled", "both"])
def test_superfluous_slashes_do_not_change_the_path(idle: Served, case: DialectCase, change: str) -> None:
    with case.account(idle, "slashes") as account:
        http = account.client.http

        def send(request: httpx.Request) -> httpx.Response:
            path = request.url.raw_path.partition(b"?")[0].decode()
            changed = path.replace("/", "//") if change != "at-the-end" else path
            changed += "/" if change != "doubled" else ""
            url = request.url.copy_with(raw_path=changed.encode() + b"?" + request.url.query)
            return http.send(httpx.Request(request.method, url, headers=request.headers, content=request.read()))

        assert send(account.client.build_create(case.export)).is_success
        job = account.create()
        assert send(account.client.build_status(job)).status_code == 200
        unknown = send(http.build_request("GET", "/no/such/path", headers=account.client.headers))
        assert unknown.status_code == 404


def test_responses_are_not_stored_by_caches(idle: Served) -> None:
    """They have links, tokens and states that change; the documents and errors as well."""
    whole = httpx.get(f"{idle.url}/openapi.json", trust_env=False)
    for path in ("/openapi.json", "/healthz", "/no/such/path", "/download/a/b", *whole.json()["paths"]):
        answer = httpx.get(idle.url + path.replace("{", "").replace("}", ""), trust_env=False)
        assert answer.headers["cache-control"] == "no-store", path
        assert "strict-transport-security" not in answer.headers  # RFC 6797 7.2: over HTTPS only


@_by_dialect
def test_created_exports_and_links_are_not_stored_by_caches(busy: Served, case: DialectCase) -> None:
    with case.account(busy, "caches") as account:
        client = account.client
        created = client.send(client.build_create(case.export))
        job = account.create()
        client.wait(job)
        for answer in (created, client.send(client.build_status(job)), httpx.get(client.link(job), trust_env=False)):
            assert "no-store" in answer.headers["cache-control"]


def test_another_host_is_refused_in_the_shape_of_the_dialect(installation: Installation) -> None:
    """RFC 9110 7.4. Probes address a machine, not a name."""
    installation.init("[server]\nhosts = ['exports.example.com']\n[metrics]\ntoken = 'a-token-of-tests'\n")
    served = Served(installation, installation.serve(workers=0))

    def get(path: str, host: str) -> httpx.Response:
        return httpx.get(served.url + path, headers={"Host": host}, trust_env=False)

    for path, error in (
        ("/data/reports/calls/jobs", "code"),
        ("/api/public/teams", "result"),
        ("/api/v1/report/exports/x", "errorCode"),
        ("/oauth/token", "error"),
        ("/download/a/b", "code"),
    ):
        refused = get(path, "evil.example")
        assert (refused.status_code, error in refused.json()) == (421, True)
        assert "evil" not in refused.text
        assert get(path, "EXPORTS.example.com:443").status_code != 421
    assert get("/healthz", "10.0.0.5").status_code == 200
    lines = [line for line in served.running.log_lines() if line.get("status") == 421]
    assert {(line["route"], line["refusal"]) for line in lines} == {("(refused)", "host")}
    metrics = httpx.get(
        f"{served.url}/metrics", headers={"Authorization": "Bearer a-token-of-tests"}, trust_env=False
    ).text
    assert 'offtake_http_refusals_total{reason="host"} 5.0' in metrics
