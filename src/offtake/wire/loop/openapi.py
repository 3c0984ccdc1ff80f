"""The dialect's OpenAPI document, made from its tables: what each operation answers, and with which headers.

An answer that only a mistake of the server could make, 500, is not described.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from offtake import __version__
from offtake.catalogue.load import Catalogue
from offtake.model.job import Status
from offtake.wire.loop.auth import IMPERSONATE
from offtake.wire.loop.settings import MOST_ENTRIES
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

Schema = dict[str, Any]
_JSON = "application/json"
_FILES = (_JSON, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
_STRING: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_WAIT: Schema = {"type": "integer", "minimum": 1}
_UUID: Schema = {"type": "string", "pattern": "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"}
_SECONDS: Schema = {"type": "integer", "minimum": 0, "exclusiveMaximum": TOO_LATE}
_HASH = "[0-9a-f]{64}"

_HEADERS: dict[str, Schema] = {
    "X-Request-Id": _STRING,
    "RateLimit-Limit": _WAIT,
    "RateLimit-Remaining": _COUNT,
    "RateLimit-Reset": _WAIT,
    "Retry-After": _WAIT,
    "WWW-Authenticate": {"const": "Bearer"},
    "X-Export-State": {"enum": [status.value for status in Status]},
    "X-Export-Rows": _COUNT,
    "X-Export-Bytes": _COUNT,
    "X-Export-Sha256": {**_STRING, "pattern": f"^{_HASH}$"},
    "X-Export-Expires": {**_STRING, "format": "date-time"},
    "X-Export-Failure": _STRING,
    "ETag": {**_STRING, "pattern": f'^"{_HASH}"$'},
    "Accept-Ranges": {"const": "bytes"},
    "Content-Length": _COUNT,
    "Content-Range": {**_STRING, "pattern": r"^bytes (\d+-\d+|\*)/\d+$"},
    "Content-Disposition": {
        **_STRING,
        "pattern": r'^attachment; filename="loop-export_\d+_\d+_[0-9a-f]{8}\.(json|xlsx)"$',
    },
    "X-Content-Type-Options": {"const": "nosniff"},
    "Cache-Control": {"const": "private, no-store"},
}
_EVERY = ("X-Request-Id",)
_COUNTED = (*_EVERY, "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
# Beyond the contract's object (Loop contract 13). An order that is repeated may be answered with a finished export,
# never with one that failed or is gone.
_TOLD = ("X-Export-State", "X-Export-Rows", "X-Export-Bytes", "X-Export-Sha256", "X-Export-Expires")
_TOLD_LATER = (*_TOLD, "X-Export-Failure", "Retry-After")
_FILE = (
    *_EVERY,
    *("ETag", "Accept-Ranges", "Content-Length", "Content-Disposition", "X-Content-Type-Options", "Cache-Control"),
    "X-Export-Rows",
)
# What each operation may refuse with, and the headers that stand there then. Who calls is found out, then it is
# counted: a call that fails before has no rate.
_CALL: dict[int, Sequence[str]] = {
    400: _COUNTED,
    401: (*_EVERY, "WWW-Authenticate"),
    403: _COUNTED,
    429: (*_COUNTED, "Retry-After"),
    451: _EVERY,
    503: (*_EVERY, "Retry-After"),
}
_CREATE = {**_CALL, 408: _EVERY, 409: _COUNTED, 413: _EVERY, 415: _COUNTED}
_READ = {**_CALL, 404: _COUNTED}
_LINK: dict[int, Sequence[str]] = {
    403: _EVERY,
    410: _EVERY,
    412: _EVERY,
    503: (*_EVERY, "Retry-After"),
}
_PART = {**_LINK, 416: (*_EVERY, "Content-Range")}


def document(catalogue: Catalogue, public_url: str | None, *, most_entries: int = MOST_ENTRIES) -> dict[str, Any]:
    """The document, in OpenAPI 3.1; the dialect has one report, so the catalogue has no say. No filter of any tenant
    may have more than ``most_entries``; one tenant's limit can be lower."""
    del catalogue
    key = _header("Idempotency-Key", {**_STRING, "pattern": KEY_PATTERN})
    create = _operation("create", "Order an export.", [key], told=_TOLD, refusals=_CREATE)
    create["requestBody"] = {"required": True, "content": {_JSON: {"schema": _body(most_entries)}}}
    what = "Where an export stands, and a fresh link to its file."
    read = _operation("read", what, [_path("id", _UUID)], told=_TOLD_LATER, refusals=_READ)
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
            f"{LINK}{{id}}": {
                "get": _download(),
                "head": _file("downloadHead", "What the file of a link is, without its bytes.", refusals=_LINK),
            },
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(
    name: str,
    summary: str,
    parameters: list[Schema],
    *,
    told: Sequence[str],
    refusals: Mapping[int, Sequence[str]],
) -> dict[str, Any]:
    words = sorted({word for word in STATUS.values() if word} | {GONE, GONE_LEGACY})
    result = _object({"id": _UUID, "status": {"enum": words}, "url": _STRING}, required=("id", "status"))
    return {
        "operationId": name,
        "summary": summary,
        "security": [{"token": []}],
        "parameters": [*parameters, _header(IMPERSONATE, _STRING)],
        "responses": {
            "200": _answer("The export.", {_JSON: result}, _COUNTED, perhaps=told),
            **_refusals(refusals),
        },
    }


def _download() -> dict[str, Any]:
    """Ranges are for GET alone (RFC 9110 section 14.2)."""
    made = _file("download", "The file of a link.", refusals=_PART)
    made["parameters"] += [_header(each, _STRING) for each in ("Range", "If-Range")]
    # Several ranges come as one body of parts, each with its own Content-Range.
    some: dict[str, Schema] = {**{media: {} for media in _FILES}, "multipart/byteranges": {}}
    made["responses"]["206"] = _answer("A part of it.", some, _FILE, perhaps=("Content-Range",))
    return made


def _file(name: str, summary: str, *, refusals: Mapping[int, Sequence[str]]) -> dict[str, Any]:
    query = ("Expires", "Signature", "Key-Pair-Id")
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "parameters": [
            _path("id", _STRING),
            *(_parameter(each, "query", _STRING, required=False) for each in query),
            *(_header(each, _STRING) for each in ("If-Match", "If-None-Match")),
        ],
        "responses": {
            "200": _answer("The file.", {media: {} for media in _FILES}, _FILE),
            "304": _answer("The client has it.", {}, (*_EVERY, "ETag", "Cache-Control")),
            **_refusals(refusals),
        },
    }


def _body(most_entries: int) -> dict[str, Any]:
    """Loop contract 5.1; unknown properties are ignored."""
    words = "|".join("".join(f"[{letter.upper()}{letter.lower()}]" for letter in word) for word in FORMATS)
    lists = {name: _list("@" if addresses else r"\S", most_entries) for name, addresses in LISTS.items()}
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


def _list(pattern: str, most: int) -> dict[str, Any]:
    entry = {**_STRING, "pattern": pattern, "maxLength": LONGEST_ENTRY}
    return {"type": ["array", "null"], "items": entry, "maxItems": most}


def _refusals(headers: Mapping[int, Sequence[str]]) -> dict[str, Any]:
    """Answers with the dialect's error (Loop contract 9)."""
    fault = _object(dict.fromkeys(("field", "errorCode", "message"), _STRING))
    fields = {
        "errorCode": _STRING,
        "message": _STRING,
        "errors": {"type": "array", "items": fault},
        "requestId": _STRING,
    }
    return {
        str(status): _answer(HTTPStatus(status).phrase, {_JSON: _object(fields)}, headers[status])
        for status in sorted(headers)
    }


def _answer(
    description: str, content: Mapping[str, Schema], headers: Sequence[str], *, perhaps: Sequence[str] = ()
) -> dict[str, Any]:
    """An answer with these headers, some of them not always."""
    always = {name: {"required": True, "schema": _HEADERS[name]} for name in headers}
    return {
        "description": description,
        "headers": {name: {"schema": _HEADERS[name]} for name in perhaps} | always,
        "content": {media: {"schema": schema} for media, schema in content.items()},
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
