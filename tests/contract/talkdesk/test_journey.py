"""An export by two ordinary Talkdesk clients: one follows redirects (requests), one does not (httpx)."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
import requests

from tests.fixtures.care import Care, call, stay
from tests.fixtures.installation import Served
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import Credential

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
    assert answer.headers["content-encoding"] == "gzip"  # the library asks for it and decodes it
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
