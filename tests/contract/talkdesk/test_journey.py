"""An export by two ordinary Talkdesk clients: one follows redirects (requests), one does not (httpx).

Also an early end: a job is cancelled while it is queued, and while it runs.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.fixtures.bodies import assert_refused
from tests.fixtures.care import Care, call, stay
from tests.fixtures.installation import Installation, Running, Served
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import Credential, TalkdeskWire

MARCH = ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
FORMATS = ("csv", "json", "json_bulk")
KEYS = {"calls": ("Call Id", "call_id"), "user_status": ("Status Label", "status_label")}

CARE = Care(
    calls=[call(f"call {number}", f"2026-03-{number % 28 + 1:02}T10:00:00Z") for number in range(500)],
    stays=[
        stay("a1", f"2026-03-{number % 28 + 1:02}T11:{number:02}:00Z", "2026-03-30T00:00:00Z", state=f"state {number}")
        for number in range(60)
    ],
    agents=[{"agent_id": "a1", "name": "Ann", "email": "ann@example.org", "is_active": True}],
)


@pytest.fixture(scope="module")
def credential(busy: Served) -> Credential:
    tenant = busy.tenant("journey")
    busy.installation.load_all({name: rows for name, rows in CARE.tables().items() if rows}, tenant=tenant.tenant)
    return tenant


def names(report: str, format_: str, content: bytes) -> list[str]:
    """Return the key of every row of a file, sorted."""
    label, name = KEYS[report]
    text = content.decode("utf-8")
    if format_ == "csv":
        rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(text, newline="")))
        return sorted(row[label] for row in rows)
    rows = json.loads(text)["entries"] if format_ == "json" else [json.loads(line) for line in text.splitlines()]
    return sorted(row[name] for row in rows)


WANTED = {
    "calls": sorted(row["call_id"] for row in CARE.calls),
    "user_status": sorted(row["state"] for row in CARE.stays),
}


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("report", KEYS)
def test_a_client_that_follows_redirects_polls_until_it_receives_the_file(
    report: str, format_: str, busy: Served, credential: Credential
) -> None:
    """As Airbyte, Python-APIs and others do: they request one URL until the response is no longer a job."""
    with requests.Session() as session:
        session.trust_env = False
        token = session.post(
            f"{busy.url}/oauth/token?grant_type=client_credentials",
            auth=(credential.client_id, credential.client_secret),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        ).json()
        assert "data-reports:write" in token["scope"]
        session.headers["Authorization"] = f"Bearer {token['access_token']}"
        timespan = {"from": "2026-03-01T00:00:00", "to": "2026-04-01T00:00:00", "timezone": "UTC"}
        made = session.post(f"{busy.url}/data/reports/{report}/jobs", json={"format": format_, "timespan": timespan})
        assert made.status_code == 202
        address = f"{busy.url}/data/reports/{report}/jobs/{made.json()['job']['id']}"

        def followed() -> requests.Response | None:
            answer = session.get(address)
            assert answer.status_code == 200
            return None if answer.content.startswith(b'{"job":') else answer

        answer = wait_for("the file behind the job", followed)
    assert [hop.status_code for hop in answer.history] == [303, 302]
    assert answer.headers["content-length"] == str(len(answer.content))
    assert names(report, format_, answer.content) == WANTED[report]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("report", KEYS)
def test_a_client_that_does_not_follow_redirects(
    report: str, format_: str, busy: Served, credential: Credential
) -> None:
    """As the extractor does: 303 means ready; then it requests the file's URL, and the link without credentials."""
    with busy.client(credential) as client:
        job = client.create(report, *MARCH, format_=format_)
        wait_for("a redirect", lambda: client.poll(report, job).status_code == 303)
        answer = client.download(report, job)
    assert answer.headers["x-export-rows"] == str(len(WANTED[report]))
    assert names(report, format_, answer.content) == WANTED[report]


def test_statuses_only_ever_move_forward(busy: Served, credential: Credential) -> None:
    sequence = ["created", "processing", "uploading", "done"]
    seen = []
    with busy.client(credential) as client:
        job = client.create("calls", *MARCH)

        def done() -> bool:
            seen.append(client.status("calls", job))
            return seen[-1] == "done"

        wait_for("the end", done)
    assert seen == sorted(seen, key=sequence.index)


@pytest.fixture
def running(large: Installation) -> Iterator[Running]:
    """A server whose only worker needs seconds for an export of the tenant ``acme``."""
    server = large.serve(workers=1)
    yield server
    assert server.stop() == 0


@pytest.fixture
def client(large: Installation, running: Running) -> Iterator[TalkdeskWire]:
    with TalkdeskWire.connect(running.url, large.add_client("acme")) as made:
        yield made


def test_cancelling_a_running_job_stops_its_work(large: Installation, running: Running, client: TalkdeskWire) -> None:
    """The attempt is interrupted, its files are removed, and the worker is free for the next job."""
    job = client.create("calls", *MARCH, format_="json")
    staging = large.home / "artifacts" / "staging"
    wait_for("a half written file", lambda: [path for path in staging.glob(f"{job}.*") if path.stat().st_size > 0])
    assert client.status("calls", job) == "processing"
    answer = client.cancel("calls", job)
    assert answer.status_code == 204, answer.text
    assert client.status("calls", job) == "canceled"

    attempt = wait_for("the end of the attempt", lambda: _attempt(running, job))
    assert attempt["outcome"] == "lease_lost"
    assert (attempt["error"], attempt["cause"]) == ("interrupted", "InterruptException")  # during the query
    wait_for("an empty staging folder", lambda: not list(staging.iterdir()))
    assert list((large.home / "artifacts").rglob(f"{job}*")) == []
    assert client.status("calls", job) == "canceled"
    assert_refused(client.file("calls", job), 404, "1020008")

    small = client.create("user_status", "2026-03-05T00:00:00Z", "2026-03-05T01:00:00Z")
    assert client.wait("user_status", small) == "done"


def _attempt(running: Running, job: str) -> dict[str, Any] | None:
    """Return the log line of the job's attempt, once it has ended."""
    lines = [line for line in running.log_lines() if line["event"] == "attempt" and line["job"] == job]
    return lines[0] if lines else None
