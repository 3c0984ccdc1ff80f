"""Limits on slow and large headers, slow bodies and concurrent requests, which protect the other clients."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPResponse
from pathlib import Path

import httpx
import pytest

from tests.fixtures.installation import Installation, Served
from tests.fixtures.native import PROBLEM
from tests.fixtures.polling import wait_for
from tests.fixtures.raw_http import connection, rest, status_of

HEAD = b"POST /oauth/token HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def strict(shared_installations: Callable[[str], Installation]) -> Served:
    """A server with short timeouts that handles one request at a time."""
    made = shared_installations("strict")
    made.init("[server]\nheader_seconds = 0.3\nmax_header_bytes = 4096\nconcurrent_requests = 1\n")
    return Served(made, made.serve(workers=0))


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT", HEAD], ids=["nothing", "half a line", "no end of headers"])
def test_incomplete_headers_time_out(strict: Served, sent: bytes) -> None:
    with connection(strict.url) as made:
        made.sendall(sent)
        assert rest(made) == b""


def test_the_header_timeout_applies_to_later_requests_of_a_connection(strict: Served) -> None:
    with connection(strict.url) as made:
        made.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        first = made.recv(65_536)
        assert first.startswith(b"HTTP/1.1 200 ")
        made.sendall(b"GET /healthz HT")
        assert b"HTTP/1.1" not in rest(made)


def test_empty_lines_do_not_keep_a_connection_open(strict: Served) -> None:
    """The parser skips them, and they end uvicorn's timeout of idle connections."""
    with connection(strict.url) as made:
        made.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status_of(made) == 200
        made.sendall(b"\r\n")
        assert rest(made) == b""


def test_any_number_of_pipelined_requests_is_answered(strict: Served) -> None:
    """Also those with bodies, and those that the server cuts anywhere when it reads."""
    bare = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with_body = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 700\r\n\r\n" + b"x" * 700
    with connection(strict.url) as made, ThreadPoolExecutor(1) as thread:
        last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        sending = thread.submit(made.sendall, (bare * 15 + with_body) * 60 + last)
        received = rest(made)
        sending.result()
    assert (received.count(b"HTTP/1.1 200 "), received.count(b"HTTP/1.1 404 ")) == (15 * 60 + 1, 60)


UNAUTHORIZED = b"POST /data/reports/calls/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{"


def test_the_rest_of_a_refused_body_is_awaited_briefly(strict: Served) -> None:
    with connection(strict.url) as made, connection(strict.url) as ending:
        for each in (made, ending):
            each.sendall(UNAUTHORIZED)
            assert status_of(each) == 401
        made.sendall(b" " * 19)  # the connection goes on behind the body
        made.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert status_of(made) == 200
        ending.sendall(b" ")
        assert rest(ending) == b""


def test_large_headers_are_refused(strict: Served) -> None:
    with connection(strict.url) as made:
        made.sendall(HEAD + b"X-Large: " + b"x" * 5000 + b"\r\n\r\n")
        assert rest(made).startswith(b"HTTP/1.1 431 ")
    with connection(strict.url) as made:
        made.sendall(HEAD + b"X-Fits: " + b"x" * 3000 + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        assert rest(made).startswith(b"HTTP/1.1 40")  # read, and refused for its lack of credentials


def test_a_request_that_cannot_be_parsed_is_answered_by_the_native_api_with_a_problem(strict: Served) -> None:
    """Other paths keep the forms above."""
    for head, status, code in (
        (b"GET /v1/reports HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 5000, 431, "headers_too_large"),
        (b"GET /v1/reports HTTP/1.1\r\nHost: x\r\nX Bad: 1\r\n\r\n", 400, "malformed_request"),
        (b"GET http://x/%76%31/reports?a=1 HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400, "malformed_request"),
    ):
        with connection(strict.url) as made:
            made.sendall(head)
            response = HTTPResponse(made)
            response.begin()
            problem = json.loads(response.read())
            assert (response.status, response.headers["content-type"]) == (status, PROBLEM)
            assert (problem["status"], problem["code"], problem["request"]) == (
                status,
                code,
                response.headers["x-request-id"],
            )
            assert made.recv(1) == b""
    with connection(strict.url) as made:  # the path is that of an answered request
        made.sendall(b"GET /v1/reports HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status_of(made) == 401
        made.sendall(b"\0\r\n\r\n")
        assert b"problem" not in rest(made)


def test_an_unfinished_header_counts_towards_the_size_limit(strict: Served) -> None:
    """The parser does not report an unfinished line, but the bytes it has received count towards the limit."""
    with connection(strict.url) as made:
        made.sendall(HEAD + b"X-Endless: " + b"x" * 10_000)
        assert rest(made).startswith(b"HTTP/1.1 431 ")


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the write lock of the state database, so that requests that write wait."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def test_requests_beyond_the_concurrency_limit_get_503_in_the_shape_of_their_dialect(strict: Served) -> None:
    client = strict.tenant("acme")

    def issue() -> httpx.Response:
        """Get a token; again while another request of this test occupies the slot."""
        while True:
            answer = httpx.post(
                f"{strict.url}/oauth/token",
                data={"grant_type": "client_credentials"},
                auth=(client.client_id, client.client_secret),
                trust_env=False,
                timeout=60,
            )
            if answer.status_code != 503:
                return answer

    with ThreadPoolExecutor(1) as thread:
        with locked(strict.installation.home / "state.db"):
            answered = thread.submit(issue)

            def refused() -> httpx.Response | None:
                answer = httpx.get(f"{strict.url}/data/reports/calls/jobs", trust_env=False)
                return answer if answer.status_code == 503 else None

            answer = wait_for("the one slot to be occupied", refused)
            assert answer.json()["code"] == "1020019"
            assert int(answer.headers["retry-after"]) > 0
            link = httpx.get(f"{strict.url}/download/x/y", trust_env=False)
            assert (link.status_code, link.json()["code"]) == (503, "unavailable")
            assert httpx.get(f"{strict.url}/healthz", trust_env=False).status_code == 200
        assert answered.result(60).status_code == 200
    url = f"{strict.url}/data/reports"
    wait_for("the slot to be free", lambda: httpx.get(url, trust_env=False).status_code != 503)
    lines = [line for line in strict.running.log_lines() if line["event"] == "request" and line["status"] == 503]
    assert {(line["route"], line["refusal"]) for line in lines} == {("(refused)", "concurrent_requests")}


def running(served: Served) -> int:
    """Return the number of requests that have no complete response yet."""
    headers = {"Authorization": "Bearer a-token-of-tests"}
    text = httpx.get(f"{served.url}/metrics", headers=headers, trust_env=False).text
    found = re.search(r"^offtake_http_requests_running (\d+)", text, re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_requests_of_one_tenant_that_wait_leave_threads_to_the_others(installation: Installation) -> None:
    """More of them than there are threads, all waiting for the lock of the state database."""
    installation.init('[metrics]\ntoken = "a-token-of-tests"\n')
    served = Served(installation, installation.serve(workers=0))
    busy, quiet = served.client(served.tenant("acme")), served.client(served.tenant("globex"))
    body = {"format": "json", "timespan": {"from": "2026-03-01T00:00:00", "to": "2026-03-02T00:00:00"}}
    with busy, quiet, ThreadPoolExecutor(60) as threads:
        with locked(installation.home / "state.db"):
            created = [threads.submit(busy.send_create, "calls", body) for _ in range(60)]
            wait_for("the requests to run", lambda: running(served) >= len(created) or None)
            answer = quiet.http.get("/data/reports/calls/jobs", headers=quiet.headers, timeout=10)
            assert answer.status_code == 200
            assert not any(each.done() for each in created)
        assert Counter(each.result(60).status_code for each in created) == {202: 15, 429: 45}


def test_an_incomplete_body_occupies_no_slot_and_times_out(installation: Installation) -> None:
    """At the token endpoints, whose bodies may hold the credentials."""
    installation.init("[server]\nbody_seconds = 1\nconcurrent_requests = 1\n")
    served = Served(installation, installation.serve(workers=0))
    with connection(served.url) as made, connection(served.url) as other:
        for each in (made, other):
            each.sendall(HEAD + b"Content-Length: 100\r\n\r\ng")
        assert httpx.get(f"{served.url}/data/reports", trust_env=False).status_code == 404
        for each in (made, other):
            head, _, body = rest(each).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 408 ")
            assert b"\r\nconnection: close" in head.lower()
            assert json.loads(body)["error"] == "invalid_request"
    lines = served.running.log_lines()
    assert [line["refusal"] for line in lines if line.get("status") == 408] == ["body_timeout"] * 2
    assert "request_defect" not in {line["event"] for line in lines}
