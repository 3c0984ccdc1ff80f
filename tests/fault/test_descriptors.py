"""File descriptors are exhausted in the server or a worker: requests are refused or retried, and no job is lost.

The limit of a running process is lowered to what it has open, and raised again.
"""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.fixtures.care import call
from tests.fixtures.installation import Installation, Running
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import Credential, TalkdeskWire
from tests.fixtures.workers import job_row, worker

DAY = ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
BODY = {"timespan": dict(zip(("from", "to"), DAY, strict=True))}
SPARE = 8  # descriptors that a process may still open
CROWD = 60  # connections, of which only the spare descriptors allow some


@pytest.fixture
def credential(installation: Installation) -> Credential:
    """A credential of a tenant with one call."""
    installation.init("[worker]\nattempts = 100\nretry_seconds = 0.2\n[talkdesk]\nopen_jobs = 1000\n")
    made = installation.add_tenant("acme")
    installation.load("call", [call("c1", DAY[0])], tenant="acme")
    return made


@contextmanager
def limited(pid: int, spare: int) -> Iterator[None]:
    """Limit a process to its open files and so many more."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = max(int(name) for name in os.listdir(f"/proc/{pid}/fd")) + 1  # noqa: PTH208 - names only
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + spare, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextmanager
def crowd(url: str) -> Iterator[None]:
    """Hold idle connections open."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    with ExitStack() as stack:
        for _ in range(CROWD):
            with suppress(OSError):
                stack.enter_context(socket.create_connection((parts.hostname, parts.port or 80), timeout=5))
        yield


def create_over_new_connection(url: str, headers: dict[str, str]) -> httpx.Response | None:
    """Create a job over a new connection; None if the server does not accept the connection."""
    try:
        return httpx.post(f"{url}/data/reports/calls/jobs", json=BODY, headers=headers, timeout=10, trust_env=False)
    except httpx.TransportError:
        return None


def test_a_server_without_descriptors_refuses_requests_and_recovers(
    installation: Installation, credential: Credential
) -> None:
    running: Running = installation.serve(workers=0)
    accepted = []
    with TalkdeskWire.connect(running.url, credential) as client:
        accepted.append(client.create("calls", *DAY))
        with limited(running.process.pid, SPARE), crowd(running.url):
            for _ in range(3):  # over new connections, and over an established one
                fresh = create_over_new_connection(running.url, client.headers)
                assert fresh is None or fresh.status_code == 503
                for answer in (fresh, _asked(client)):
                    if answer is None:
                        continue
                    assert answer.status_code in (202, 503), answer.text
                    if answer.status_code == 202:
                        accepted.append(answer.json()["job"]["id"])
                    else:
                        assert int(answer.headers["retry-after"]) >= 1
        answer = wait_for(
            "a new connection to be accepted", lambda: create_over_new_connection(running.url, client.headers)
        )
        assert answer.status_code == 202, answer.text
        accepted.append(answer.json()["job"]["id"])
        with worker(installation) as process:
            assert {client.wait("calls", job) for job in accepted} == {"done"}
            assert process.stop() == 0
    assert [line for line in running.log_lines() if line["event"] == "request_defect"] == []
    assert running.stop() == 0


def _asked(client: TalkdeskWire) -> httpx.Response | None:
    try:
        return client.send_create("calls", BODY)
    except httpx.TransportError:
        return None


def test_an_attempt_without_descriptors_is_retried(installation: Installation, credential: Credential) -> None:
    running = installation.serve(workers=0)
    with TalkdeskWire.connect(running.url, credential) as client, worker(installation) as process:
        first = client.create("calls", *DAY)
        assert client.wait("calls", first) == "done"  # the worker has opened all files that it keeps open
        with limited(process.process.pid, 0):
            second = client.create("calls", *DAY)
            wait_for("an attempt without descriptors", lambda: _failed(process.lines("attempt"), second))
            assert client.status("calls", second) in ("created", "processing")
        assert client.wait("calls", second) == "done"
        assert process.stop() == 0
        assert process.lines("attempt_defect") == []
    row = job_row(installation, second)
    assert row["attempts"] > 1
    files = [path for path in (installation.home / "artifacts").rglob("*") if path.is_file()]
    assert {Path(job_row(installation, job)["artifact_key"]).name for job in (first, second)} == {
        path.name for path in files
    }
    assert running.stop() == 0


def _failed(lines: list[dict[str, object]], job: str) -> bool:
    return any(line["job"] == job and line["outcome"] == "retry" for line in lines)
