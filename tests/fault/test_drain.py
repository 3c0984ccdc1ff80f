"""SIGTERM during work: downloads complete, new requests are refused, and attempts are requeued."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.fixtures.care import call
from tests.fixtures.installation import Installation, Running, catches_sigterm
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import Credential, TalkdeskWire
from tests.fixtures.workers import CALLS, create_job, run_next_attempt

MARCH = ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
NOTES = "x" * 2000
ROWS = 16_000  # times NOTES: more than both ends of a connection buffer


@dataclass(frozen=True, slots=True)
class Exported:
    """A home with a finished export that is larger than the kernel's buffers of a connection."""

    home: Installation
    credential: Credential
    job: str

    def link(self, running: Running) -> tuple[str, int]:
        """Return a fresh link to the file, and the file's size."""
        with TalkdeskWire.connect(running.url, self.credential) as client:
            link = client.link("calls", self.job)
            return link, int(
                httpx.head(link, headers={"Accept-Encoding": "identity"}, trust_env=False).headers["content-length"]
            )


@pytest.fixture(scope="module")
def exported(shared_installations: Callable[[str], Installation]) -> Exported:
    """Run the export once; every test starts its own server for this home."""
    made = shared_installations("drain")
    made.init("[server]\ndrain_seconds = 60\n")
    credential = made.add_tenant("acme")
    row = call("", "2026-03-05T10:00:00Z", notes=NOTES)
    made.load("call", ({**row, "call_id": f"c{number}"} for number in range(ROWS)), tenant="acme")
    job = create_job(made, replace(CALLS, format="csv"))
    with made.services() as on:
        assert run_next_attempt(on).id == job
    return Exported(made, credential, job)


@contextmanager
def slow_download(link: str) -> Iterator[Callable[[], bytes]]:
    """Request a file and read only its beginning; the yielded function reads the rest."""
    parts = urlsplit(link)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.settimeout(90)
        connection.connect((parts.hostname, parts.port))
        connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        first = b""
        while len(first) < 10_000:
            first += connection.recv(10_000)
        assert first.startswith(b"HTTP/1.1 200 "), first

        def rest() -> bytes:
            return first + b"".join(iter(lambda: connection.recv(1024 * 1024), b""))

        yield rest


def is_shutting_down(running: Running) -> bool:
    """Whether the readiness probe reports the shutdown, and nothing else."""
    answer = httpx.get(f"{running.url}/readyz", trust_env=False)
    return answer.status_code == 503 and answer.json()["missing"] == ["The server is shutting down."]


def test_a_download_that_runs_at_sigterm_completes(exported: Exported) -> None:
    running = exported.home.serve(workers=0)
    link, size = exported.link(running)
    assert size > ROWS * len(NOTES)
    with slow_download(link) as rest:
        running.process.send_signal(signal.SIGTERM)

        wait_for("the probe to report it", partial(is_shutting_down, running))
        assert httpx.get(f"{running.url}/healthz", trust_env=False).status_code == 200
        refused = httpx.get(f"{running.url}/data/reports/calls/jobs", trust_env=False)
        assert refused.status_code == 503
        assert refused.headers["connection"] == "close"
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json()["code"] == "1020019"  # the code of the path's dialect
        assert httpx.get(link, trust_env=False).status_code == 503
        head, _, body = rest().partition(b"\r\n\r\n")
    assert len(body) == size
    assert body.count(b"\n") == ROWS + 1
    assert running.process.wait(timeout=90) == 0
    lines = [line for line in running.log_lines() if line.get("route") == "/download/{job}/{file_name}"]
    whole = [line for line in lines if line["status"] == 200 and line["method"] == "GET"]
    assert [(line["bytes"], line.get("cut"), line["tenant"]) for line in whole] == [(size, None, "acme")]
    assert head.startswith(b"HTTP/1.1 200 ")
    assert running.stop() == 0


def test_a_client_that_disconnects_during_a_download_is_logged(exported: Exported) -> None:
    running = exported.home.serve(workers=0)
    link, size = exported.link(running)
    with slow_download(link):
        pass

    def cut() -> list[dict[str, object]]:
        return [line for line in running.log_lines() if line.get("cut")]

    (line,) = wait_for("the line of the cut download", cut)
    assert line["status"] == 200
    assert isinstance(line["bytes"], int)
    assert 0 < line["bytes"] < size
    assert [line for line in running.log_lines() if line["event"] == "request_defect"] == []
    assert running.stop() == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_forces_the_shutdown(exported: Exported, second: signal.Signals) -> None:
    running = exported.home.serve(workers=0)
    link, size = exported.link(running)
    with slow_download(link) as rest:
        running.process.send_signal(signal.SIGTERM)
        wait_for("the drain", partial(is_shutting_down, running))
        running.process.send_signal(second)
        assert running.process.wait(timeout=30) == 0  # of 60 seconds that the drain may take
        assert len(rest()) < size
    assert running.stop() == 0


def test_a_download_longer_than_the_drain_is_cut(exported: Exported) -> None:
    running = exported.home.serve(workers=0, environment={"OFFTAKE_SERVER__DRAIN_SECONDS": "0.2"})
    link, size = exported.link(running)
    with slow_download(link) as rest:
        assert running.stop() == 0
        assert len(rest()) < size
    assert [line["running"] for line in running.log_lines() if line["event"] == "requests_cut"] == [1]


def test_a_second_sigint_makes_a_worker_requeue_its_job_at_once(large: Installation) -> None:
    """After the first signal the worker may finish its job (within an hour here); after the second it may not."""
    patient = {"OFFTAKE_WORKER__DRAIN_SECONDS": "3600"}
    running = large.serve(workers=1, environment=patient)
    with TalkdeskWire.connect(running.url, large.add_client("acme")) as client:
        job = client.create("calls", *MARCH, format_="json_bulk")
        staging = large.home / "artifacts" / "staging"
        wait_for("a half written file", lambda: any(path.stat().st_size > 0 for path in staging.glob(f"{job}.*")))
        running.process.send_signal(signal.SIGTERM)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(timeout=60) == 0
    outcomes = [line["outcome"] for line in running.log_lines() if line["event"] == "attempt" and line["job"] == job]
    assert outcomes == ["requeued"]
    assert running.stop() == 0


def test_sigterm_during_the_start_is_not_lost(installation: Installation) -> None:
    """Sent as soon as a handler is installed, while the server may still be starting."""
    installation.init()
    command = [sys.executable, "-m", "offtake", "serve", "--home", str(installation.home), "--port", "0"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
        wait_for("the server to listen", partial(catches_sigterm, server.pid))
        server.terminate()
        assert server.wait(timeout=60) == 0


def test_the_service_manager_is_notified(installation: Installation, tmp_path: Path) -> None:
    installation.init()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        address = tmp_path / "notify"
        manager.bind(os.fspath(address))
        manager.settimeout(90)
        running = installation.serve(workers=0, environment={"NOTIFY_SOCKET": os.fspath(address)})
        assert manager.recv(100) == b"READY=1"
        assert running.stop() == 0
        assert manager.recv(100) == b"STOPPING=1"
