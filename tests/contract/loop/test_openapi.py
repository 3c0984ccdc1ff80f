"""The served OpenAPI document, ``GET /api/v1/report/openapi.json``: is it true?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.fixtures import loop
from tests.fixtures.described import INVALID, VALID, Described
from tests.fixtures.installation import Served
from tests.fixtures.loop import API, END, START, UNKNOWN, LoopClient

CREATE, READ, FILE = f"{API}/export", f"{API}/exports/{{id}}", "/RF_{id}"
OPERATIONS = [("POST", CREATE), ("GET", READ), ("GET", FILE)]
MADE_UP = [
    pytest.param(*operation, mode, id="-".join((*operation, mode.value)))
    for operation in OPERATIONS
    for mode in (VALID, INVALID)
    if mode is VALID or operation[1] != FILE  # any text may stand in a link, and is refused
]


@pytest.fixture(scope="module")
def client(idle: Served) -> Iterator[LoopClient]:
    with LoopClient.connect(idle.url, loop.token(idle.installation, loop.tenant(idle, "described"))) as made:
        yield made


@pytest.fixture(scope="module")
def described(idle: Served) -> Described:
    return Described.at(idle.url, f"{API}/openapi.json")


def test_the_document_has_every_endpoint(described: Described) -> None:
    assert described.operations() == set(OPERATIONS)


@pytest.mark.parametrize("authorized", [True, False], ids=["with-a-token", "without"])
@pytest.mark.parametrize(("method", "path", "mode"), MADE_UP)
def test_answers_are_as_described(
    method: str, path: str, mode: GenerationMode, authorized: bool, described: Described, client: LoopClient
) -> None:
    """9: no 5xx, and no status, header or body outside the schema.

    That end is later than start, or that a zone exists, no schema can say.
    """
    headers = client.headers if authorized else {}
    without = [positive_data_acceptance]
    described.hold(method, path, mode, headers=headers, examples=20, without=without)


def test_every_answer_of_an_exports_life_is_as_described(
    described: Described, client: LoopClient, busy: Served
) -> None:
    """6 and 7: also those that made-up requests never meet."""
    with LoopClient.connect(busy.url, loop.token(busy.installation, loop.tenant(busy, "described"))) as made:
        created = made.order({"start": START, "end": END})
        export = created.json()["id"]
        made.wait(export)
        answers = [
            ("POST", CREATE, created),
            ("POST", CREATE, made.order({"start": START, "end": START, "tagIds": [1]})),
            ("GET", READ, made.read(export)),
            ("GET", READ, made.read(UNKNOWN)),
            ("GET", READ, client.read(client.create())),
            ("GET", FILE, made.download(export)),
        ]
    assert [answer.status_code for *_, answer in answers] == [200, 400, 200, 200, 200, 200]
    for method, path, answer in answers:
        described.schema[path][method].validate_response(answer)
