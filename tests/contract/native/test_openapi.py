"""The OpenAPI document of the native API, compared with the server: generated requests, and each answer in the life of
an export."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.fixtures.installation import Served
from tests.fixtures.loop import PEOPLE, TALKS
from tests.fixtures.native import MARCH, REPORT, V1, NativeWire, native_client
from tests.fixtures.openapi_server import INVALID, VALID, OpenApiServer

OPERATIONS = {
    ("GET", "/v1/reports"),
    ("GET", "/v1/reports/{name}"),
    ("POST", "/v1/exports"),
    ("POST", "/v1/exports/preview"),
    ("GET", "/v1/exports"),
    ("GET", "/v1/exports/{id}"),
    ("GET", "/v1/exports/{id}/events"),
    ("POST", "/v1/exports/{id}/cancel"),
    ("DELETE", "/v1/exports/{id}"),
    ("POST", "/v1/exports/{id}/retention"),
    ("GET", "/v1/exports/{id}/manifest"),
    ("GET", "/v1/exports/{id}/files/{number}"),
    ("GET", "/v1/limits"),
    ("GET", "/v1/usage"),
}
MADE_UP = [
    *((*operation, VALID) for operation in sorted(OPERATIONS) if "{" in operation[1] or operation[1] == "/v1/exports"),
    ("POST", "/v1/exports/preview", VALID),
    ("GET", "/v1/exports", INVALID),
    ("POST", "/v1/exports", INVALID),
    ("POST", "/v1/exports/preview", INVALID),
    ("POST", "/v1/exports/{id}/retention", INVALID),
    ("GET", "/v1/exports/{id}/files/{number}", INVALID),  # any text is an id
]


@pytest.fixture(scope="module")
def client(idle: Served) -> Iterator[NativeWire]:
    with native_client(idle, "openapi") as made:
        yield made


@pytest.fixture(scope="module")
def openapi(idle: Served) -> OpenApiServer:
    return OpenApiServer.at(idle.url, f"{V1}/openapi.json", wait="0", prefer="wait=0")


def test_the_document_has_every_operation(openapi: OpenApiServer, idle: Served) -> None:
    assert openapi.operations() == OPERATIONS
    document = httpx.get(f"{idle.url}{V1}/openapi.json", trust_env=False).text
    assert not re.findall(r"\bjobs?\b", document, re.IGNORECASE)  # the word of this API is export


@pytest.mark.parametrize(("method", "path", "mode"), MADE_UP, ids=lambda value: getattr(value, "value", value))
def test_responses_match_the_document(
    method: str, path: str, mode: GenerationMode, openapi: OpenApiServer, client: NativeWire
) -> None:
    """No 5xx, and no status, header or body outside the schema.

    A schema cannot express that the end is later than the start, or that a report has a column.
    """
    headers = {"Authorization": client.http.headers["authorization"]}
    openapi.check(method, path, mode, headers=headers, examples=12, without=[positive_data_acceptance])


def test_every_answer_in_the_life_of_an_export_matches_the_document(openapi: OpenApiServer, busy: Served) -> None:
    seen: list[tuple[str, str, httpx.Response]] = []

    with native_client(busy, "openapi", [*PEOPLE, *TALKS]) as client:

        def send(method: str, path: str, body: Any = None, number: int = 0, **headers: str) -> httpx.Response:
            url = path.format(id=export, name=REPORT, number=number)
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = client.http.request(method, url, json=body, headers=named)
            seen.append((method, path, answer))
            return answer

        export = ""
        wanted = {
            "report": REPORT,
            "timespan": MARCH,
            "split": {"rows": 1000},
            "format": "parquet",
            "order": ["status"],
        }
        export = send("POST", "/v1/exports", wanted, Prefer="wait=60").json()["id"]
        send("POST", "/v1/exports", {**wanted, "columns": ["a"]})
        send("POST", "/v1/exports", {"report": REPORT, "timespan": MARCH}, Idempotency_Key="a")
        send("POST", "/v1/exports", {"report": "calls", "timespan": MARCH}, Idempotency_Key="a")
        send("POST", "/v1/exports", {"report": REPORT, "timespan": MARCH, "dry_run": True})
        send("POST", "/v1/exports/preview", {"report": REPORT, "timespan": MARCH, "rows": 2})
        send("GET", "/v1/reports")
        send("GET", "/v1/reports/{name}")
        send("GET", "/v1/exports")
        send("GET", "/v1/exports/{id}")
        etag = send("GET", "/v1/exports/{id}/manifest").headers["etag"]
        send("GET", "/v1/exports/{id}/manifest", If_None_Match=etag)
        send("GET", "/v1/exports/{id}/manifest", If_Match='"a"')
        send("GET", "/v1/exports/{id}/files/{number}")
        send("GET", "/v1/exports/{id}/files/{number}", number=1)
        send("GET", "/v1/exports/{id}/events")
        send("POST", "/v1/exports/{id}/cancel")
        send("POST", "/v1/exports/{id}/retention", {"hold": True})
        send("DELETE", "/v1/exports/{id}")
        send("POST", "/v1/exports/{id}/retention", {"hold": False})
        send("DELETE", "/v1/exports/{id}")
        send("DELETE", "/v1/exports/{id}")
        send("GET", "/v1/exports/{id}/manifest")
        send("GET", "/v1/limits")
        send("GET", "/v1/usage")
        for method, path, answer in seen:
            openapi.schema[path][method].validate_response(answer)
    statuses = [answer.status_code for *_, answer in seen]
    assert statuses == [
        *(200, 422, 202, 409, 200, 200, 200, 200, 200, 200),
        *(200, 304, 412, 302, 404, 200, 409, 200, 409, 200, 204, 410, 410, 200, 200),
    ]
