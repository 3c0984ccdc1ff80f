"""A thousand slow clients, or a storm of wrong passwords, while a client of another tenant works.

Each test asserts that all its requests are answered and prints the 95th percentile of their durations, which is at most
50 ms on a machine that does nothing else (``pytest -s``).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.fixtures.care import call
from tests.fixtures.crowds import addresses, crowd, polls, statuses
from tests.fixtures.installation import Installation, Served
from tests.fixtures.khoros import ROOT, new_user
from tests.fixtures.polling import wait_for
from tests.fixtures.raw_http import connection, rest
from tests.fixtures.talkdesk import Credential, TalkdeskWire
from tests.fixtures.workers import CALLS, create_job, run_next_attempt

CROWD = 1000
POLLS = 100
PER_FILE = 16
MIB = 1024 * 1024
METRICS = {"Authorization": "Bearer a-token-of-tests"}
SETTINGS = """
[logins]
failures_per_address = 5
[khoros]
requests_per_minute = 0
[connections]
write_seconds = 4
[metrics]
token = "a-token-of-tests"
"""


@dataclass(frozen=True)
class Town:
    """A server, a client of the tenant that works, and a large file of another tenant."""

    served: Served
    worker: Credential
    worker_job: str
    other: Credential
    other_job: str

    def metric(self, name: str) -> float:
        """Return a metric of the server; 0 if it has no sample."""
        text = httpx.get(f"{self.served.url}/metrics", headers=METRICS, trust_env=False).text
        return next((float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} ")), 0.0)

    def refusals(self, reason: str) -> float:
        """Return the number of refusals for that reason."""
        return self.metric(f'offtake_http_refusals_total{{reason="{reason}"}}')

    def memory(self) -> int:
        """Return the resident memory of the server, in bytes."""
        return int(psutil.Process(self.served.running.process.pid).memory_info().rss)


@pytest.fixture(scope="module")
def town(shared_installations: Callable[[str], Installation]) -> Town:
    made = shared_installations("town")
    made.init(SETTINGS)
    worker, other = made.add_tenant("acme"), made.add_tenant("globex")
    made.load("call", [call("c1", "2026-03-05T10:00:00Z")], tenant="acme")
    row = call("", "2026-03-05T10:00:00Z", notes="x" * 2000)
    made.load("call", ({**row, "call_id": f"c{number}"} for number in range(8_000)), tenant="globex")
    jobs = [create_job(made, replace(CALLS, format="csv"), tenant=each.tenant) for each in (other, worker)]
    with made.services() as on:
        for job in jobs:
            assert run_next_attempt(on).id == job
    return Town(Served(made, made.serve(workers=0)), worker, jobs[1], other, jobs[0])


@contextmanager
def working(town: Town) -> Iterator[Callable[[], httpx.Response]]:
    """The poll of the tenant that works: a list over a kept connection, and over a new one every tenth time."""
    keep_none = httpx.Limits(max_keepalive_connections=0)
    with (
        TalkdeskWire.connect(town.served.url, town.worker) as client,
        httpx.Client(base_url=town.served.url, trust_env=False, limits=keep_none, timeout=30) as fresh,
    ):
        sent = iter(range(1_000_000))

        def poll() -> httpx.Response:
            http = client.http if next(sent) % 10 else fresh
            return http.get("/data/reports/calls/jobs", headers=client.headers)

        yield poll


def report(what: str, p95: float, poll: Callable[[], httpx.Response]) -> None:
    """Print the percentile and that of the same polls without a crowd."""
    print(f"{what}: p95 of the polls {p95:.1f} ms, without it {polls(poll, POLLS):.1f} ms")  # noqa: T201


def half_sent(path: str, headers: str) -> bytes:
    """A request of which the body is missing except for one byte."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
    ).encode()


def test_half_sent_bodies_without_credentials_occupy_nothing(town: Town) -> None:
    """Token endpoints wait for a body, in places of their own; all other operations refuse before they read it."""
    sources = addresses(20, network=3)
    guess = half_sent("/data/reports/calls/jobs", "Authorization: Bearer wrong\r\n")
    with working(town) as poll:
        with (
            crowd(town.served.url, half_sent("/oauth/token", ""), CROWD, sources) as waiting,
            crowd(town.served.url, guess, CROWD, addresses(20, network=4)) as refused,
        ):
            p95 = polls(poll, POLLS)
            assert statuses(refused, seconds=30) == {"401": CROWD}
            given_up = statuses(waiting, seconds=1)
            assert given_up == {"503": town.refusals("bodies")}
            assert given_up["503"] >= CROWD - 512
        report("half-sent bodies", p95, poll)


def test_silent_connections_of_one_address_leave_room_for_others(town: Town) -> None:
    with working(town) as poll, crowd(town.served.url, b"", CROWD, addresses(1, network=5)) as silent:
        assert polls(poll, POLLS)
        assert statuses(silent, seconds=1) == {"closed": CROWD - 256}
        assert town.refusals("connections_per_address") == CROWD - 256


def test_slow_readers_of_one_link_are_limited_and_disconnected(town: Town) -> None:
    with TalkdeskWire.connect(town.served.url, town.other) as client:
        link = client.link("calls", town.other_job)
    parts = urlsplit(link)
    request = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    before = town.memory()
    with working(town) as poll:
        with crowd(town.served.url, request, CROWD, addresses(100, network=6)) as readers:
            p95 = polls(poll, POLLS)
            memory = town.memory() - before
            counted = statuses(readers, seconds=3)
            assert counted["200"] >= PER_FILE
            assert counted["429"] >= CROWD - 3 * PER_FILE  # some may follow those that were disconnected
            wait_for(
                "slow readers to be disconnected", lambda: town.metric("offtake_http_downloads_running") == 0 or None
            )
            assert town.refusals("slow_reader") >= PER_FILE
        report(f"slow readers, {memory / MIB:.0f} MiB more memory", p95, poll)
    assert memory < 128 * MIB  # 1000 times two chunks of 1 MiB without the limits
    lines = [line for line in town.served.running.log_lines() if line.get("refusal") == "slow_reader"]
    assert lines
    assert all(line["cut"] and line["tenant"] == "globex" for line in lines if line["event"] == "request")
    with httpx.Client(trust_env=False) as again:
        assert again.get(link).status_code == 200


def test_a_reader_that_is_slow_but_not_too_slow_gets_the_whole_file(town: Town) -> None:
    with TalkdeskWire.connect(town.served.url, town.other) as client:
        link = client.link("calls", town.other_job)
    head = httpx.head(link, headers={"Accept-Encoding": "identity"}, trust_env=False)
    size = int(head.headers["content-length"])
    parts, pause = urlsplit(link), threading.Event()
    with connection(town.served.url) as made:
        made.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        received = 0
        for _ in range(8):  # longer than ``write_seconds``
            received += len(made.recv(MIB))
            pause.wait(0.7)
        received += len(rest(made))
    assert received > size


def test_pipelined_requests_of_one_tenant_leave_the_others_undisturbed(town: Town) -> None:
    """Each of 100 connections sends 16 lists and status requests at once; all are answered."""
    with TalkdeskWire.connect(town.served.url, town.other) as client:
        token = client.headers["Authorization"]
    heads = [
        f"GET /data/reports/calls/jobs{path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
        for path in ("?per_page=100", f"/{town.other_job}")
    ]
    piped = "\r\n".join(heads * 8) + "Connection: close\r\n\r\n"
    with working(town) as poll:
        with crowd(town.served.url, piped.encode(), 100, addresses(100, network=8), receive_bytes=MIB) as loud:
            p95 = polls(poll, POLLS)
            answered = [rest(each) for each in loud]
        report("pipelined requests of another tenant", p95, poll)
    assert Counter(body.count(b"HTTP/1.1 200 ") for body in answered) == {8: 100}
    assert Counter(body.count(b"HTTP/1.1 303 ") for body in answered) == {8: 100}


def test_a_storm_of_wrong_passwords_leaves_the_others_undisturbed(town: Town) -> None:
    """From 40 addresses, with names that exist and names that do not.

    The right password from an address that the server does not know is accepted meanwhile.
    """
    user = new_user(town.served, "acme")
    known = httpx.Client(base_url=town.served.url, auth=(user.name, user.password), trust_env=False)
    before, stop, seen, failed = town.memory(), threading.Event(), Counter[int](), set[int]()
    sources = addresses(40, network=7)

    def guess(number: int) -> None:
        source = sources[number]
        with httpx.Client(
            base_url=town.served.url,
            trust_env=False,
            transport=httpx.HTTPTransport(verify=False, local_address=source),
            timeout=60,
        ) as http:
            for each in range(1_000_000):
                if stop.is_set():
                    return
                name = user.name if each % 2 else f"name-{number}-{each}"
                if each % 3:
                    answer = http.get(f"{ROOT}/teams", auth=(name, f"wrong-{number}-{each}"))
                else:
                    form = {"grant_type": "client_credentials"}
                    answer = http.post("/oauth/token", data=form, auth=(town.worker.client_id, f"wrong-{each}"))
                seen[answer.status_code] += 1
                if answer.status_code == 401:
                    failed.add(number)

    path = f"{ROOT}/config/timezones?companyKey={user.company_key}"
    with working(town) as poll, known, ThreadPoolExecutor(len(sources)) as storm, ExitStack() as stack:
        assert known.get(path).status_code == 200
        stack.callback(stop.set)
        guesses = [storm.submit(guess, number) for number in range(len(sources))]
        wait_for("each address to fail", lambda: len(failed) == len(sources) or None)
        for source in addresses(20, network=9):
            with httpx.Client(
                base_url=town.served.url,
                auth=(user.name, user.password),
                trust_env=False,
                transport=httpx.HTTPTransport(local_address=source),
                timeout=60,
            ) as unknown:
                assert unknown.get(path).status_code == 200
        wait_for("refusals before a hash", lambda: seen[429] >= 20 or seen[503] >= 200 or None)
        p95 = polls(poll, POLLS)
        p95_by_password = polls(lambda: known.get(path), POLLS)
        memory = town.memory() - before
        stop.set()
        for each in guesses:
            each.result(60)
        report(f"wrong passwords {dict(seen)}", p95, poll)
        report("the same, polls by password", p95_by_password, lambda: known.get(path))
    assert set(seen) <= {401, 429, 503}
    assert memory < 128 * MIB  # 40 times 19 MiB without a pool
