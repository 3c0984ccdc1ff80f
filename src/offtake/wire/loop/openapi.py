"""The dialect's OpenAPI document, made from its tables.

How many entries a filter may have is a setting of each tenant, and not described.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from offtake import __version__
from offtake.catalogue.load import Catalogue
from offtake.wire.loop.auth import IMPERSONATE
from offtake.wire.loop.errors import ERRORS
from offtake.wire.loop.tables import (
    API,
    FORMATS,
    GONE,
    GONE_LEGACY,
    KEY_PATTERN,
    LINK,
    LISTS,
    LONGEST_ENTRY,
    STATUS,
    TOO_LATE,
)

_JSON = "application/json"
_STRING: dict[str, Any] = {"type": "string"}
_UUID: dict[str, Any] = {"type": "string", "pattern": "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"}
_SECONDS: dict[str, Any] = {"type": "integer", "minimum": 0, "exclusiveMaximum": TOO_LATE}
_HTTP = (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
_FILES = (_JSON, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")


def document(catalogue: Catalogue, public_url: str | None) -> dict[str, Any]:
    """The document, in OpenAPI 3.1; the dialect has one report, so the catalogue has no say."""
    del catalogue
    create = _operation("create", "Order an export.", [_header("Idempotency-Key", {**_STRING, "pattern": KEY_PATTERN})])
    create["requestBody"] = {"required": True, "content": {_JSON: {"schema": _body()}}}
    read = _operation("read", "Where an export stands, and a fresh link to its file.", [_path("id", _UUID)])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Offtake: Loop export reports",
            "version": __version__,
            "description": "Order an export, read it until it is no longer Processing, download its url.",
        },
        "servers": [{"url": public_url or "/"}],
        "paths": {
            f"{API}/export": {"post": create},
            f"{API}/exports/{{id}}": {"get": read},
            f"{LINK}{{id}}": {"get": _download()},
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(name: str, summary: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    words = sorted({word for word in STATUS.values() if word} | {GONE, GONE_LEGACY})
    result = _object({"id": _UUID, "status": {"enum": words}, "url": _STRING}, required=("id", "status"))
    return {
        "operationId": name,
        "summary": summary,
        "security": [{"token": []}],
        "parameters": [*parameters, _header(IMPERSONATE, _STRING)],
        "responses": {"200": {"description": "The export.", "content": {_JSON: {"schema": result}}}} | _refusals(),
    }


def _download() -> dict[str, Any]:
    query = ("Expires", "Signature", "Key-Pair-Id")
    files: dict[str, Any] = {media: {"schema": {}} for media in _FILES}
    return {
        "operationId": "download",
        "summary": "The file of a link.",
        "security": [],
        "parameters": [_path("id", _STRING), *(_parameter(name, "query", _STRING, required=False) for name in query)],
        "responses": {
            "200": {"description": "The file.", "content": files},
            "206": {"description": "A part of it.", "content": files},
            **_refusals(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE),
        },
    }


def _body() -> dict[str, Any]:
    """Section 5.1; unknown properties are ignored."""
    words = "|".join("".join(f"[{letter.upper()}{letter.lower()}]" for letter in word) for word in FORMATS)
    lists = {name: _list("@" if addresses else r"\S") for name, addresses in LISTS.items()}
    return {
        "type": "object",
        "properties": {
            "timezone": {"type": ["string", "null"]},
            "start": _SECONDS,
            "end": _SECONDS,
            "resultFormat": {**_STRING, "pattern": f"^({words})$"},
            **lists,
        },
        "required": ["start", "end"],
    }


def _list(pattern: str) -> dict[str, Any]:
    entry = {**_STRING, "pattern": pattern, "maxLength": LONGEST_ENTRY}
    return {"type": ["array", "null"], "items": entry}


def _refusals(*more: HTTPStatus) -> dict[str, Any]:
    """Every status that an error of the dialect may have, and those of HTTP itself."""
    fault = _object(dict.fromkeys(("field", "errorCode", "message"), _STRING))
    fields = {
        "errorCode": _STRING,
        "message": _STRING,
        "errors": {"type": "array", "items": fault},
        "requestId": _STRING,
    }
    statuses = sorted({*(status for status, _ in ERRORS.values()), *_HTTP, *more} - {500})
    return {
        str(int(status)): {
            "description": HTTPStatus(status).phrase,
            "content": {_JSON: {"schema": _object(fields)}},
        }
        for status in statuses
    }


def _object(fields: Mapping[str, Any], *, required: tuple[str, ...] | None = None) -> dict[str, Any]:
    wanted = list(fields if required is None else required)
    return {"type": "object", "properties": dict(fields), "required": wanted, "additionalProperties": False}


def _path(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return _parameter(name, "path", schema, required=True)


def _header(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return _parameter(name, "header", schema, required=False)


def _parameter(name: str, place: str, schema: Mapping[str, Any], *, required: bool) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": dict(schema)}
