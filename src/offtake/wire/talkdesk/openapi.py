"""The dialect's OpenAPI document, made from the tables that the code itself obeys.

Bodies come from ``schema.py``, operations and their errors from ``operations.py`` and ``errors.py``, report types and
the rows of files from the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from offtake import __version__
from offtake.catalogue.load import Catalogue
from offtake.http.errors import nearest_of
from offtake.model.report import Publication, PublishedColumn, Rendering, Report
from offtake.wire.talkdesk.errors import ERRORS, HTTP_CODE, OAUTH_ERRORS, OAUTH_FAULT
from offtake.wire.talkdesk.operations import OPERATIONS, Operation
from offtake.wire.talkdesk.schema import (
    DEFAULT_PAGE,
    LONGEST_PAGE,
    CreateBody,
    ErrorBody,
    OAuthError,
    RevokeForm,
    TimespanBody,
    TokenForm,
)
from offtake.wire.talkdesk.tables import FILE_VERSION, NAME

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_INPUTS = (CreateBody, TokenForm, RevokeForm)
_OPEN = frozenset(kind.__name__ for kind in (*_INPUTS, TimespanBody))  # unknown keys are ignored there
_TYPES = {
    Rendering.INTEGER: "integer",
    Rendering.DECIMAL: "number",
    Rendering.DAY_FRACTION: "number",
    Rendering.BOOLEAN: "boolean",
    Rendering.LIST: "array",
}
_NEVER_NULL = frozenset(
    {
        Rendering.TEXT_OR_EMPTY,
        Rendering.PLAIN,
        Rendering.HOURS_TO_SECONDS,
        Rendering.INSTANT_Z_OR_EMPTY,
        Rendering.INSTANT_LOCALE,
        Rendering.JOINED_PLUS_OR_EMPTY,
        Rendering.JOINED_COMMA,
    }
)


def document(catalogue: Catalogue, public_url: str | None) -> dict[str, Any]:
    """The document, in OpenAPI 3.1."""
    publications = [item for (dialect, _), item in sorted(catalogue.publications.items()) if dialect == NAME]
    components, names = _bodies()
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        described = _operation(operation, names, publications)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    files = {f"{item.slug}_file": _file(item, catalogue.reports[item.report]) for item in publications}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Offtake: Talkdesk Explore report jobs",
            "version": __version__,
            "description": "Order an export, poll it, follow the redirects to its file. A schema named after a report"
            " and _file describes the json file of that report.",
        },
        "servers": [{"url": public_url or "/"}],
        "paths": paths,
        "components": {
            "schemas": components | files,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "client": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _bodies() -> tuple[dict[str, Any], dict[Any, dict[str, Any]]]:
    """Schemas of all bodies, and how each type is referred to."""
    types = [*_INPUTS, *dict.fromkeys(item.body for item in OPERATIONS if item.body), ErrorBody, OAuthError]
    made: list[tuple[int, JsonSchemaMode, TypeAdapter[Any]]] = [
        (number, "validation" if kind in _INPUTS else "serialization", TypeAdapter(kind))
        for number, kind in enumerate(types)
    ]
    found, shared = TypeAdapter.json_schemas(made, ref_template="#/components/schemas/{model}")
    components: dict[str, Any] = shared["$defs"]
    for name, schema in components.items():
        if name not in _OPEN:
            schema["additionalProperties"] = False
    return components, {types[number]: schema for (number, _), schema in found.items()}


def _operation(operation: Operation, names: Mapping[Any, Any], publications: Sequence[Publication]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": _parameters(operation, publications),
        "security": [{"bearer": []}] if operation.scope else [{"client": []}, {}],
        "responses": _answers(operation, names) | _refusals(operation, names),
    }
    if operation.sent is not None:
        media = _JSON if operation.scope else _FORM
        described["requestBody"] = {"required": True, "content": {media: {"schema": names[operation.sent]}}}
    return described


def _parameters(operation: Operation, publications: Sequence[Publication]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if "{report_type}" in operation.path:
        slugs = sorted(slug for item in publications for slug in (item.slug, *item.aliases))
        found.append(_parameter("report_type", "path", {"type": "string", "enum": slugs}))
    if "{job_id}" in operation.path:
        found.append(_parameter("job_id", "path", {"type": "string", "format": "uuid"}))
    if operation.paged:
        most = 10**18 - 1
        found.append(_parameter("page", "query", {"type": "integer", "minimum": 1, "maximum": most, "default": 1}))
        per_page = {"type": "integer", "minimum": 1, "maximum": LONGEST_PAGE, "default": DEFAULT_PAGE}
        found.append(_parameter("per_page", "query", per_page))
    return found


def _parameter(name: str, place: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def _answers(operation: Operation, names: Mapping[Any, Any]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status in (operation.success, *operation.also):
        answer = answers[str(status)] = {"description": HTTPStatus(status).phrase}
        if operation.body is not None:
            answer["content"] = {_JSON: {"schema": names[operation.body]}}
        if status in (302, 303):
            answer["headers"] = {"Location": _header({"type": "string", "format": "uri"})}
    return answers


def _refusals(operation: Operation, names: Mapping[Any, Any]) -> dict[str, Any]:
    """By status, the codes that may stand in the body."""
    codes: dict[int, list[str]] = {}
    for error in operation.errors:
        status, code = nearest_of(ERRORS if operation.scope else OAUTH_ERRORS, error)
        codes.setdefault(status, []).append(code)
    for status, code in operation.words:
        codes.setdefault(status, []).append(code)
    for status in (405, *operation.faults):
        codes.setdefault(status, []).append(HTTP_CODE if operation.scope else OAUTH_FAULT)
    schema = names[ErrorBody if operation.scope else OAuthError]
    key = "code" if operation.scope else "error"
    refusals: dict[str, Any] = {}
    for status, words in sorted(codes.items()):
        narrowed = {"allOf": [schema, {"properties": {key: {"enum": sorted(set(words))}}}]}
        answer: dict[str, Any] = {
            "description": HTTPStatus(status).phrase,
            "content": {_JSON: {"schema": narrowed}},
        }
        if status in (429, 503):
            answer["headers"] = {"Retry-After": _header({"type": "integer", "minimum": 1})}
        refusals[str(status)] = answer
    return refusals


def _header(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "schema": schema}


def _file(publication: Publication, report: Report) -> dict[str, Any]:
    """A json file (Talkdesk contract 5.1). Columns that a setting can leave out are not required."""
    nullable = {column.name: column.nullable for column in report.columns}
    shown = [column for column in publication.columns if not column.hidden]
    row = {
        "type": "object",
        "properties": {column.name: _cell(column, nullable=nullable[column.source]) for column in shown},
        "required": [column.name for column in shown if not column.legacy],
        "additionalProperties": False,
    }
    fields = {
        "type": {"type": "string", "const": publication.slug},
        "version": {"type": "string", "const": FILE_VERSION},
        "entries": {"type": "array", "items": row},
        "total": {"type": "integer", "minimum": 0},
    }
    return {"type": "object", "title": publication.title, "properties": fields, "required": list(fields)}


def _cell(column: PublishedColumn, *, nullable: bool) -> dict[str, Any]:
    kind = _TYPES.get(column.rendering, "string")
    items = {"items": {"type": "string"}} if kind == "array" else {}
    return {"type": [kind, "null"] if nullable and column.rendering not in _NEVER_NULL else kind, **items}
