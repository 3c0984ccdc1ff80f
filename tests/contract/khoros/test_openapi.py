"""The served OpenAPI document, ``GET /api/public/openapi.json``, compared with the server."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.fixtures.installation import Served
from tests.fixtures.khoros import ROOT, KhorosWire, connect, new_user
from tests.fixtures.openapi_server import INVALID, VALID, OpenApiServer

DAY = ("2026-03-05T00:00:00", "2026-03-05T23:59:59.999")
CREATE = ROOT + "/reports/report/{report_type}"
PUBLISHING = ROOT + "/reports/report/marketing/{report_type}"
STATUS, DOWNLOAD = (ROOT + "/reports/report/{workflow_id}/{run_id}/" + verb for verb in ("status", "download"))
OPERATIONS = [
    ("GET", CREATE),
    ("POST", CREATE),
    ("GET", PUBLISHING),
    ("POST", PUBLISHING),
    ("GET", STATUS),
    ("GET", DOWNLOAD),
    ("GET", ROOT + "/reports/jobs"),
    ("GET", ROOT + "/config/timezones"),
    ("GET", ROOT + "/teams"),
    ("GET", "/api/v2/smartviews"),
    ("GET", "/api/v2/workqueues/active"),
]
# A request without parameters cannot be invalid.
MADE_UP = [
    pytest.param(method, path, mode, id=f"{method}-{path}-{mode.value}")
    for method, path in OPERATIONS
    for mode in (VALID, INVALID)
    if mode is VALID or path.startswith(ROOT)
]


@pytest.fixture(scope="module")
def client(idle: Served) -> Iterator[KhorosWire]:
    with connect(idle, new_user(idle, "openapi")) as made:
        yield made


@pytest.fixture(scope="module")
def openapi(idle: Served, client: KhorosWire) -> OpenApiServer:
    return OpenApiServer.at(idle.url, ROOT + "/openapi.json", companyKey=client.user.company_key)


def test_the_document_has_every_endpoint(openapi: OpenApiServer) -> None:
    """Khoros contract 1.3; tolerated spellings are omitted."""
    assert openapi.operations() == set(OPERATIONS)


@pytest.mark.parametrize("authorized", [True, False], ids=["with-a-user", "without"])
@pytest.mark.parametrize(("method", "path", "mode"), MADE_UP)
def test_responses_match_the_document(
    method: str, path: str, mode: GenerationMode, authorized: bool, openapi: OpenApiServer, client: KhorosWire
) -> None:
    """Khoros contract 4: no 5xx, and no status, header or body outside the schema.

    A schema cannot express that startTime is before endTime, or that a zone exists; and parameters that do not apply to
    an export are ignored, whatever their values (Khoros contract 1.4).
    """
    user = base64.b64encode(f"{client.user.name}:{client.user.password}".encode()).decode()
    headers = {"Authorization": f"Basic {user}"} if authorized else {}
    without = [positive_data_acceptance, negative_data_rejection]
    openapi.check(method, path, mode, headers=headers, examples=15, without=without)


def test_every_response_in_the_life_of_a_run_matches_the_document(
    openapi: OpenApiServer, client: KhorosWire, busy: Served
) -> None:
    """Khoros contract 4: also the responses that generated requests never get."""
    waiting = client.send_create("user", DAY)
    with connect(busy, new_user(busy, "openapi")) as made:
        created = made.send_create("marketing/brand_post", DAY, method="GET")
        status_url = created.json()["result"]["statusUrl"]
        download = made.wait(status_url)["jobInfo"]["downloadUrl"]
        answers = [
            ("POST", CREATE, waiting),
            ("GET", PUBLISHING, created),
            ("GET", STATUS, made.http.get(status_url)),
            ("GET", DOWNLOAD, made.http.get(download)),
            ("GET", DOWNLOAD, made.http.get(download, params={"analyticsAccessToken": "x"})),
            ("GET", ROOT + "/reports/jobs", made.get("/reports/jobs")),
            ("GET", ROOT + "/reports/jobs", client.get("/reports/jobs")),
            ("GET", CREATE, client.send_create("team_performance_interval", method="GET", timeInterval="3600000")),
        ]
    assert [answer.status_code for *_, answer in answers] == [200, 200, 200, 307, 404, 200, 200, 400]
    for method, path, answer in answers:
        openapi.schema[path][method].validate_response(answer)
