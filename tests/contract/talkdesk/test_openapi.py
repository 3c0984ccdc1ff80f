"""The served OpenAPI document, ``GET /data/openapi.json``, compared with the server and its files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.fixtures.installation import Served
from tests.fixtures.openapi_server import INVALID, VALID, OpenApiServer
from tests.fixtures.talkdesk import TalkdeskWire

JOBS = "/data/reports/{report_type}/jobs"
OPERATIONS = [
    ("POST", "/oauth/token"),
    ("POST", "/oauth/revoke"),
    ("POST", JOBS),
    ("GET", JOBS),
    ("GET", JOBS + "/{job_id}"),
    ("DELETE", JOBS + "/{job_id}"),
    ("GET", "/data/reports/{report_type}/files/{job_id}"),
    ("DELETE", "/data/reports/{report_type}/files/{job_id}"),
]
# A schema cannot express that a day exists, that ``from`` is before ``to``, or which parameters may be combined.
RULES_BETWEEN_FIELDS = (JOBS, "/oauth/token", "/oauth/revoke")


@pytest.fixture(scope="module")
def client(idle: Served) -> Iterator[TalkdeskWire]:
    with idle.client(idle.tenant("openapi")) as made:
        yield made


@pytest.fixture(scope="module")
def openapi(idle: Served) -> OpenApiServer:
    return OpenApiServer.at(idle.url, "/data/openapi.json")


def test_the_document_has_every_endpoint(openapi: OpenApiServer) -> None:
    """Talkdesk contract 1.2 and 2: every endpoint is documented."""
    assert openapi.operations() == set(OPERATIONS)


def test_the_document_of_the_server_contains_that_of_the_dialect(openapi: OpenApiServer, client: TalkdeskWire) -> None:
    """Tools look for ``/openapi.json``; names that several dialects use are distinguished."""
    whole = client.http.get("/openapi.json").json()
    own = openapi.schema.raw_schema
    assert own["paths"].keys() <= whole["paths"].keys()
    assert {f"talkdesk_{name}" for name in own["components"]["schemas"]} <= whole["components"]["schemas"].keys()
    text = json.dumps(whole)
    assert set(re.findall(r"#/components/schemas/([^\"]+)", text)) <= whole["components"]["schemas"].keys()
    ids = re.findall(r'"operationId": "([^"]+)"', text)
    assert len(ids) == len(set(ids)) >= len(OPERATIONS)


@pytest.mark.parametrize("authorized", [True, False], ids=["with-a-token", "without"])
@pytest.mark.parametrize("mode", [VALID, INVALID], ids=["valid", "invalid"])
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_responses_match_the_document(
    method: str, path: str, mode: GenerationMode, authorized: bool, openapi: OpenApiServer, client: TalkdeskWire
) -> None:
    """Talkdesk contract 4: no 5xx, no status, header or body outside the schema, and invalid requests are refused."""
    headers = client.headers if authorized else {}
    without = [positive_data_acceptance] if path in RULES_BETWEEN_FIELDS and method == "POST" else []
    openapi.check(method, path, mode, headers=headers, examples=25, without=without)


def test_every_response_in_the_life_of_a_job_matches_the_document(
    openapi: OpenApiServer, client: TalkdeskWire, busy: Served
) -> None:
    """Talkdesk contract 2 and 4: also the responses that generated requests never get."""
    day = ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
    job, file = OPERATIONS[4][1], OPERATIONS[6][1]
    with busy.client(busy.tenant("openapi")) as made:
        body = {"format": "json", "timespan": dict(zip(("from", "to"), day, strict=True))}
        answers = [("POST", JOBS, made.send_create("calls", body))]
        done = answers[0][2].json()["id"]
        assert made.wait("calls", done) == "done"
        open_job = client.create("calls", *day)
        answers += [
            ("GET", job, client.poll("calls", open_job)),
            ("DELETE", file, client.delete("calls", open_job)),
            ("GET", job, made.poll("calls", done)),
            ("DELETE", job, made.cancel("calls", done)),
            ("GET", file, made.file("calls", done)),
            ("DELETE", file, made.delete("calls", done)),
            ("DELETE", file, made.delete("calls", done)),
            ("GET", file, made.file("calls", done)),
            ("GET", JOBS, made.http.get("/data/reports/calls/jobs", headers=made.headers)),
            ("DELETE", job, client.cancel("calls", open_job)),
        ]
    assert [answer.status_code for *_, answer in answers] == [202, 200, 409, 303, 409, 302, 204, 404, 404, 200, 204]
    for method, path, answer in answers:
        openapi.schema[path][method].validate_response(answer)
