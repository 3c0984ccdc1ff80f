"""Every error body is JSON with a code, a message and a description (Talkdesk contract 4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures.bodies import UNKNOWN_JOB, assert_refused
from tests.fixtures.golden import golden
from tests.fixtures.installation import Served
from tests.fixtures.talkdesk import TalkdeskWire

JOBS = "/data/reports/calls/jobs"
JOB = f"{JOBS}/{UNKNOWN_JOB}"
FILE = f"/data/reports/calls/files/{UNKNOWN_JOB}"


@pytest.fixture(scope="module")
def client(idle: Served) -> Iterator[TalkdeskWire]:
    with idle.client(idle.tenant("errors")) as made:
        yield made


PATHS = [
    golden("4", "proposed", "root-of-the-api", "GET", "/data/reports", 404),
    golden("4", "proposed", "report-alone", "GET", "/data/reports/calls", 404),
    golden("4", "proposed", "unknown-part", "GET", "/data/reports/calls/nonsense", 404),
    golden("4", "proposed", "deeper", "GET", f"{JOB}/rows", 404),
    golden("4", "proposed", "slash-inside-the-id", "GET", f"{JOBS}/a%2Fb", 404),
    golden("4", "proposed", "dots", "GET", f"{JOBS}/..%2F..%2Fetc%2Fpasswd", 404),
    golden("4", "proposed", "put-a-job", "PUT", JOB, 405),
    golden("4", "proposed", "patch-a-job", "PATCH", JOB, 405),
    golden("4", "proposed", "post-a-job", "POST", JOB, 405),
    golden("4", "proposed", "delete-all-jobs", "DELETE", JOBS, 405),
    golden("4", "proposed", "put-all-jobs", "PUT", JOBS, 405),
    golden("4", "proposed", "post-a-file", "POST", FILE, 405),
]


@pytest.mark.parametrize("authorized", [True, False], ids=["with-a-token", "without"])
@pytest.mark.parametrize(("method", "path", "status"), PATHS)
def test_paths_and_methods_that_do_not_exist(
    method: str, path: str, status: int, authorized: bool, client: TalkdeskWire
) -> None:
    answer = client.http.request(method, path, headers=client.headers if authorized else {})
    assert_refused(answer, status, "1020000")
    assert (status == 405) == ("allow" in answer.headers)


@pytest.mark.parametrize(
    ("path", "methods"),
    [(JOBS, "GET, HEAD, POST"), (JOB, "DELETE, GET, HEAD"), (FILE, "DELETE, GET, HEAD"), ("/oauth/token", "POST")],
)
def test_405_names_every_method_of_the_path(path: str, methods: str, client: TalkdeskWire) -> None:
    """RFC 9110 15.5.6."""
    assert client.http.request("PATCH", path).headers["allow"] == methods


ACCEPTS = [
    golden("4", "proposed", "html", {"Accept": "text/html"}),
    golden("4", "proposed", "xml", {"Accept": "application/xml"}),
    golden("4", "proposed", "nothing", {"Accept": ""}),
]


@pytest.mark.parametrize("headers", ACCEPTS)
def test_errors_are_json_whatever_the_client_prefers(headers: dict[str, Any], client: TalkdeskWire) -> None:
    answer = client.http.get(JOB, headers={**client.headers, **headers})
    assert_refused(answer, 404, "1020011")


def test_an_error_repeats_nothing_from_the_request(client: TalkdeskWire) -> None:
    """Talkdesk contract 4, proposed: no error repeats a filter value, a token or an injected text to a reader of it."""
    secret = "sEcReT<script>"
    body = {"name": secret, "format": secret, "timezone": secret, "timespan": {"from": secret, "to": secret}}
    answers = [
        client.http.post(JOBS, json=body, headers=client.headers),
        client.http.post(JOBS, json=body, headers={"Authorization": f"Bearer {secret}"}),
        client.http.post(JOBS, content=secret, headers=client.headers),
        client.http.post(
            JOBS,
            json={"timezone": secret, "timespan": {"from": "2026-03-01T00:00:00", "to": "2026-03-02T00:00:00"}},
            headers=client.headers,
        ),
        client.http.get(f"{JOBS}/{secret}", headers=client.headers),
        client.http.get(f"/data/reports/{secret}/jobs/1", headers=client.headers),
        client.http.get(f"/data/reports/calls/{secret}", headers=client.headers),
        client.http.post("/oauth/token", data={"grant_type": secret}, auth=(secret, secret)),
        client.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=(secret, secret)),
    ]
    for answer in answers:
        assert 400 <= answer.status_code < 500
        assert answer.headers["content-type"] == "application/json"
        assert "sEcReT" not in answer.text


def test_every_response_has_its_own_request_id(client: TalkdeskWire) -> None:
    """Talkdesk contract 4, inferred from ``platform-tid``: support can find the line in the log."""
    ids = {client.http.get(path, headers=client.headers).headers["x-request-id"] for path in (JOB, FILE, "/data", JOB)}
    assert len(ids) == 4
