"""Ten thousand random requests of one tenant return nothing of another tenant's rows, jobs or files."""

from __future__ import annotations

import http.client
import random
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.fixtures.care import call
from tests.fixtures.installation import Served
from tests.fixtures.talkdesk import TalkdeskWire

REQUESTS = 10_000
THREADS = 4
SEED = 20_260_301
DAY = ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
REPORTS = ("calls", "user_status")
WORDS = ("csv", "json", "json_bulk")
MALFORMED = ("", "..", "%2e%2e", "*", "%25", "%27", "null", "0", "jobs", "files", "%00", "a/b", "?x=1", "%F0%9F%99%82")
# The headers that differ between two equal responses; the bodies do not differ.
OWN_HEADERS = {"date", "x-request-id"}


@dataclass(frozen=True, slots=True)
class Side:
    """One tenant: its client, its finished jobs by format, links to their files, and a word in all of its rows."""

    tenant: str
    word: str
    client: TalkdeskWire
    jobs: dict[str, str]
    links: dict[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response without the headers that differ between equal responses."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def without(self, text: str) -> Answer:
        """Return the response with ``text``, which the request named, masked."""
        headers = tuple((name, value.replace(text, "…")) for name, value in self.headers)
        return Answer(self.status, headers, self.body.replace(text.encode(), "…".encode()))


class Caller:
    """A persistent connection with a token."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: str | None = None) -> Answer:
        """Send a request and read the response."""
        self._connection.request(method, path, body=body, headers=self._headers)
        answer = self._connection.getresponse()
        headers = tuple(sorted((k, v) for k, v in answer.getheaders() if k.lower() not in OWN_HEADERS))
        return Answer(answer.status, headers, answer.read())

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _side(served: Served, name: str, word: str) -> Side:
    credential = served.tenant(name)
    rows = [call(f"{word}-{number}", f"2026-03-01T10:00:0{number}Z", notes=word) for number in range(5)]
    served.installation.load("call", rows, tenant=credential.tenant)
    client = served.client(credential)
    jobs = {format_: client.create("calls", *DAY, format_=format_, name=word) for format_ in WORDS}
    assert {client.wait("calls", job) for job in jobs.values()} == {"done"}
    links = {format_: client.link("calls", job) for format_, job in jobs.items()}
    assert all(word.encode() in client.download("calls", job).content for job in jobs.values())
    return Side(credential.tenant, word, client, jobs, links)


@pytest.fixture(scope="module")
def mine(busy: Served) -> Iterator[Side]:
    side = _side(busy, "mine", "ours-and-visible")
    yield side
    side.client.close()


@pytest.fixture(scope="module")
def theirs(busy: Served) -> Iterator[Side]:
    side = _side(busy, "theirs", "theirs-and-secret")
    yield side
    side.client.close()


class Randomness:
    """Random requests of a tenant that looks for data of another."""

    def __init__(self, seed: int, mine: Side, theirs: Side) -> None:
        self._random = random.Random(seed)
        self._mine, self._theirs = mine, theirs
        self._requests: tuple[Callable[[], tuple[str, str, str | None]], ...] = (
            self._status,
            self._status,
            self._file,
            self._file,
            self._link,
            self._link,
            self._cancel,
            self._delete,
            self._create,
            self._path,
        )

    def request(self) -> tuple[str, str, str | None]:
        """Return method, path and body."""
        return self._random.choice(self._requests)()

    def _job(self) -> str:
        """Return a job id: of either tenant, unknown or malformed; most often of the other tenant."""
        foreign, own = list(self._theirs.jobs.values()), list(self._mine.jobs.values())
        choice = self._random.random()
        if choice < 0.5:
            return self._random.choice(foreign)
        if choice < 0.65:
            return self._random.choice(own)
        if choice < 0.8:
            return str(uuid.UUID(int=self._random.getrandbits(128)))
        if choice < 0.9:
            return self._random.choice(foreign)[: self._random.randrange(36)] + self._random.choice(MALFORMED)
        return self._random.choice((*MALFORMED, self._random.choice(foreign).upper()))

    def _report(self) -> str:
        return self._random.choice((*REPORTS, "calls", "calls", "contacts", "%2e%2e", self._theirs.tenant))

    def _status(self) -> tuple[str, str, None]:
        return "GET", f"/data/reports/{self._report()}/jobs/{self._job()}", None

    def _file(self) -> tuple[str, str, None]:
        return "GET", f"/data/reports/{self._report()}/files/{self._job()}", None

    def _cancel(self) -> tuple[str, str, None]:
        return "DELETE", f"/data/reports/{self._report()}/jobs/{self._job()}", None

    def _delete(self) -> tuple[str, str, None]:
        """Never delete a file of this tenant, which other requests still read."""
        job = self._random.choice((*self._theirs.jobs.values(), *MALFORMED))
        return "DELETE", f"/data/reports/{self._report()}/files/{job}", None

    def _create(self) -> tuple[str, str, str]:
        """Create an export that names the other tenant in every field; most have an empty timespan and are refused."""
        end = DAY[1] if self._random.random() < 0.02 else DAY[0]
        other = f'"tenant": "{self._theirs.tenant}", "job": "{self._job()}"'
        path = f"/data/reports/{self._report()}/jobs?tenant={self._theirs.tenant}"
        return (
            "POST",
            path,
            f'{{{other}, "format": "json", "timespan": {{"from": "{DAY[0]}", "to": "{end}", {other}}}}}',
        )

    def _link(self) -> tuple[str, str, None]:
        """A link of this tenant with parts of a foreign one, or a guess. A whole foreign link would be a valid key."""
        ours, other = urlsplit(self._random.choice(list(self._mine.links.values()))), self._job()
        theirs = urlsplit(self._random.choice(list(self._theirs.links.values())))
        path = self._random.choice((theirs.path, ours.path, f"/download/{other}/{theirs.path.rsplit('/')[-1]}"))
        query = self._random.choice((ours.query, "", f"expires=9999999999&signature={'A' * 43}", self._mixed()))
        return "GET", f"{path}?{query}", None

    def _mixed(self) -> str:
        ours, theirs = (urlsplit(side.links["json"]).query for side in (self._mine, self._theirs))
        return f"{ours.split('&')[0]}&{theirs.split('&')[1][:-1]}"

    def _path(self) -> tuple[str, str, None]:
        """Paths that might list jobs or expose the file system."""
        tenant, job = self._theirs.tenant, self._job()
        path = self._random.choice(
            (
                "/data/reports/calls/jobs",
                "/data/reports/calls/jobs?page=1&per_page=200",
                f"/data/reports/calls/jobs?tenant={tenant}",
                f"/data/reports/calls/files/{tenant}/{job}.1.json",
                f"/data/reports/calls/files/..%2f..%2fartifacts%2ffiles%2f{tenant}%2f{job}.1.json",
                f"/artifacts/files/{tenant}/{job}.1.json",
                f"/download/{job}/..%2f{tenant}",
                f"/data/reports/calls/jobs/{job}/{tenant}",
                "/openapi.json",
                "/data/reports",
            )
        )
        return self._random.choice(("GET", "GET", "GET", "PUT")), path, None


def test_no_response_contains_data_of_another_tenant(busy: Served, mine: Side, theirs: Side) -> None:
    signatures = [link.split("signature=")[1] for link in theirs.links.values()]
    secret = re.compile("|".join(map(re.escape, [theirs.word, theirs.tenant, *signatures])))

    def send_all(number: int) -> Counter[int]:
        seen, requests = Counter[int](), Randomness(SEED + number, mine, theirs)
        for _ in range(REQUESTS // THREADS):
            method, path, body = requests.request()
            answer = callers[number].ask(method, path, body)
            seen[answer.status] += 1
            where = f"{method} {path} -> {answer.status}"
            assert answer.status < 500, where
            if answer.status != 307:  # the redirect that removes a trailing slash repeats the path of the request
                assert not secret.search(f"{answer.headers} {answer.body.decode()}"), where
            named = [job for job in theirs.jobs.values() if job in path]
            if answer.status in (200, 204, 302, 303):
                assert not named or path.startswith("/data/reports/calls/jobs?") or method == "POST", where
        return seen

    with ExitStack() as stack, ThreadPoolExecutor(THREADS) as pool:
        callers = [stack.enter_context(closing(Caller(busy.url, mine.client.token))) for _ in range(THREADS)]
        seen: Counter[int] = sum(pool.map(send_all, range(THREADS)), Counter())
    assert seen.total() == REQUESTS
    assert {200, 202, 302, 303, 400, 403, 404, 405, 409} <= seen.keys(), seen  # every kind of response has occurred
    for format_, job in theirs.jobs.items():  # the other tenant's jobs are unchanged
        assert theirs.client.poll("calls", job).status_code == 303
        assert theirs.word.encode() in theirs.client.download("calls", job).content, format_


def test_a_foreign_id_gets_the_response_of_an_unknown_one(busy: Served, mine: Side, theirs: Side) -> None:
    """Equal byte for byte, with the headers, except for the job's id, the request's id and the date."""
    caller = Caller(busy.url, mine.client.token)
    for method, path in (
        ("GET", "/data/reports/calls/jobs/{}"),
        ("GET", "/data/reports/user_status/jobs/{}"),
        ("GET", "/data/reports/calls/files/{}"),
        ("DELETE", "/data/reports/calls/jobs/{}"),
        ("DELETE", "/data/reports/calls/files/{}"),
        ("GET", "/data/reports/no_such_report/jobs/{}"),
    ):
        unknown = str(uuid.uuid4())
        expected = caller.ask(method, path.format(unknown)).without(unknown)
        assert expected.status in (400, 404)
        for job in theirs.jobs.values():
            assert caller.ask(method, path.format(job)).without(job) == expected
    caller.close()


def test_a_guessed_link_does_not_reveal_whether_a_job_exists(busy: Served, theirs: Side) -> None:
    """The refusal for a job with a file equals the refusal for an unknown job."""
    caller = Caller(busy.url, "nonsense")
    answers = {
        caller.ask("GET", f"/download/{job}/x.json?expires=9999999999&signature={'A' * 43}")
        for job in (theirs.jobs["json"], str(uuid.uuid4()))
    }
    caller.close()
    assert len(answers) == 1
