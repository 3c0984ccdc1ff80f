"""The OpenAPI documents of all dialects: valid, and such that tools can generate clients from them."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from fastapi import FastAPI
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.responses import JSONResponse

from offtake.wire import openapi
from offtake.wire.dialects import DIALECTS
from tests.property.exporting import catalogue

_OWN = {dialect.name: dialect.document(catalogue(), None) for dialect in DIALECTS}
DOCUMENTS = {**_OWN, "all": openapi.merge(_OWN, version="1", public_url=None)}
_by_document = pytest.mark.parametrize("name", DOCUMENTS)


def _objects(value: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every object of the document with its path."""
    if isinstance(value, Mapping):
        yield path, value
        for key, child in value.items():
            yield from _objects(child, f"{path}/{key}")
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from _objects(child, f"{path}/{number}")


def _schemas(name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the schemas with a type, a list of values or a value."""
    for path, found in _objects(DOCUMENTS[name]):
        if not path.endswith("/properties") and {"type", "enum", "const"} & found.keys():
            yield path, found


def _identifier(value: object) -> str:
    """Return what generators make of a value: GMT0, GMT+0 and GMT-0 become the same name."""
    return re.sub(r"[^A-Z0-9]", "", str(value).upper()) or "EMPTY"


@_by_document
def test_a_document_is_valid(name: str) -> None:
    """OpenAPI 3.1, and each schema JSON Schema 2020-12."""
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENTS[name]).iter_errors()] == []


@_by_document
def test_generators_can_name_every_value_of_a_list(name: str) -> None:
    for path, schema in _schemas(name):
        counts = Counter(map(_identifier, schema.get("enum", ())))
        assert [each for each, number in counts.items() if number > 1] == [], path


@_by_document
def test_every_value_has_a_type_and_no_property_is_null_only(name: str) -> None:
    """A property may be null among others: ``anyOf`` with another schema, or a list of types."""
    for path, schema in _schemas(name):
        if "/securitySchemes/" not in path and not re.search(r"/anyOf/\d+$", path):
            assert schema.get("type") not in (None, "null", ["null"]), path


@_by_document
def test_operations_have_names_of_their_own(name: str) -> None:
    ids = [found["operationId"] for _, found in _objects(DOCUMENTS[name]) if "operationId" in found]
    assert len(ids) == len({each.lower() for each in ids}) > 0


def test_the_document_of_the_server_is_not_encoded_for_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs no credentials, and encoding it takes milliseconds of the event loop."""
    app = FastAPI(openapi_url=None)
    app.include_router(openapi.router(_OWN, "1", None))
    encode = Mock(side_effect=AssertionError)
    monkeypatch.setattr(JSONResponse, "render", encode)

    async def get() -> Any:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as http:
            return (await http.get("/openapi.json")).json()

    assert asyncio.run(get()) == DOCUMENTS["all"]
    encode.assert_not_called()
