"""The dialect's operations: paths, and what each may answer with which headers (Loop contract 5 to 9 and 13).

The document omits 500, which only a defect of the server causes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from offtake.model.job import Status
from offtake.wire.document import (
    JSON,
    STRING,
    Answer,
    Operation,
    Parameter,
    Schema,
    any_case,
    array,
    closed_object,
    constant,
    one_of,
)
from offtake.wire.loop.auth import IMPERSONATE
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

_FILES = (JSON, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
_COUNT: Schema = {"type": "integer", "minimum": 0}
_WAIT: Schema = {"type": "integer", "minimum": 1}
_UUID: Schema = {"type": "string", "pattern": "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"}
_SECONDS: Schema = {"type": "integer", "minimum": 0, "exclusiveMaximum": TOO_LATE}
_HASH = "[0-9a-f]{64}"

_HEADERS: dict[str, Schema] = {
    "X-Request-Id": STRING,
    "RateLimit-Limit": _WAIT,
    "RateLimit-Remaining": _COUNT,
    "RateLimit-Reset": _WAIT,
    "Retry-After": _WAIT,
    "WWW-Authenticate": constant("Bearer"),
    "X-Export-State": one_of(status.value for status in Status),
    "X-Export-Rows": _COUNT,
    "X-Export-Bytes": _COUNT,
    "X-Export-Sha256": {**STRING, "pattern": f"^{_HASH}$"},
    "X-Export-Expires": {**STRING, "format": "date-time"},
    "X-Export-Failure": STRING,
    "ETag": {**STRING, "pattern": f'^"{_HASH}(-gzip)?"$'},
    "Vary": constant("Accept-Encoding"),
    "Content-Encoding": constant("gzip"),
    "Accept-Ranges": constant("bytes"),
    "Content-Length": _COUNT,
    "Content-Range": {**STRING, "pattern": r"^bytes (\d+-\d+|\*)/\d+$"},
    "Content-Disposition": {
        **STRING,
        "pattern": r'^attachment; filename="loop-export_\d+_\d+_[0-9a-f]{8}\.(json|xlsx)"$',
    },
    "X-Content-Type-Options": constant("nosniff"),
    "Cache-Control": constant("private, no-store"),
}
_EVERY = ("X-Request-Id",)
_COUNTED = (*_EVERY, "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
_RETRY = (*_EVERY, "Retry-After")
# Headers beyond the contract's object (Loop contract 13). A repeated create request may be answered with a finished
# export, but not with one that failed or is gone.
_EXPORT = ("X-Export-State", "X-Export-Rows", "X-Export-Bytes", "X-Export-Sha256", "X-Export-Expires")
_READ_EXPORT = (*_EXPORT, "X-Export-Failure", "Retry-After")
_FILE = (
    *_EVERY,
    *("ETag", "Accept-Ranges", "Content-Disposition", "X-Content-Type-Options", "Cache-Control"),
    "X-Export-Rows",
)
_ENCODED = (
    "Vary",
    "Content-Encoding",
    "Content-Length",
)  # a workbook has the last one only, a file with gzip the others
# The statuses of each operation's errors, and their headers. A request is counted after authentication: an error before
# that has no headers of the rate.
_CALL_ERRORS: dict[int, Sequence[str]] = {
    400: _COUNTED,
    401: (*_EVERY, "WWW-Authenticate"),
    403: _COUNTED,
    429: (*_COUNTED, "Retry-After"),
    451: _EVERY,
    503: _RETRY,
}
_CREATE_ERRORS = {**_CALL_ERRORS, 408: _EVERY, 409: _COUNTED, 413: _EVERY, 415: _COUNTED, 429: _COUNTED}
_UNKNOWN_WAIT = {429: ("Retry-After",)}  # a budget may not know the time
_READ_ERRORS = {**_CALL_ERRORS, 404: _COUNTED}
_HEAD_ERRORS: dict[int, Sequence[str]] = {403: _EVERY, 410: _EVERY, 412: _EVERY, 503: _RETRY}
_GET_ERRORS = {**_HEAD_ERRORS, 416: (*_EVERY, "Content-Range")}

_WORDS = sorted({word for word in STATUS.values() if word} | {GONE, GONE_LEGACY})
_RESULT = closed_object({"id": _UUID, "status": one_of(_WORDS), "url": STRING}, required=("id", "status"))
_ERROR = closed_object(
    {
        "errorCode": STRING,
        "message": STRING,
        "errors": array(closed_object(dict.fromkeys(("field", "errorCode", "message"), STRING))),
        "requestId": STRING,
    }
)


def operations(*, most_entries: int) -> tuple[Operation, ...]:
    """A row for each operation. ``most_entries`` is the largest limit of a filter's entries among all tenants."""
    return (
        Operation(
            name="create",
            method="POST",
            path=API + "/export",
            summary="Create an export.",
            security=("token",),
            parameters=(_header("Idempotency-Key", {**STRING, "pattern": KEY_PATTERN}), _header(IMPERSONATE)),
            body={JSON: _create_body(most_entries)},
            answers={200: _export(_EXPORT), **_errors(_CREATE_ERRORS, _UNKNOWN_WAIT)},
        ),
        Operation(
            name="read",
            method="GET",
            path=API + "/exports/{id}",
            summary="Read the status of an export, and get a new link to its file.",
            security=("token",),
            parameters=(_id(_UUID), _header(IMPERSONATE)),
            answers={200: _export(_READ_EXPORT), **_errors(_READ_ERRORS)},
        ),
        *_FILE_OPERATIONS,
    )


def _create_body(most_entries: int) -> Schema:
    """Loop contract 5.1. Unknown properties are ignored."""
    lists = {name: _list("@" if addresses else r"\S", most_entries) for name, addresses in LISTS.items()}
    return {
        "type": "object",
        "properties": {
            "timezone": {"type": ["string", "null"]},
            "start": _SECONDS,
            "end": _SECONDS,
            "resultFormat": {**STRING, "pattern": f"^({any_case(FORMATS)})$"},
            **lists,
        },
        "required": ["start", "end"],
    }


def _list(pattern: str, most: int) -> dict[str, Any]:
    entry = {**STRING, "pattern": pattern, "maxLength": LONGEST_ENTRY}
    return {"type": ["array", "null"], "items": entry, "maxItems": most}


def _id(schema: Schema) -> Parameter:
    return Parameter(name="id", location="path", schema=schema, required=True)


def _header(name: str, schema: Schema = STRING) -> Parameter:
    return Parameter(name=name, location="header", schema=schema)


def _schemas(names: Sequence[str]) -> dict[str, Schema]:
    return {name: _HEADERS[name] for name in names}


def _export(optional: Sequence[str]) -> Answer:
    return Answer(
        description="The export.",
        content={JSON: _RESULT},
        headers=_schemas(_COUNTED),
        optional_headers=_schemas(optional),
    )


def _errors(
    headers: Mapping[int, Sequence[str]], optional: Mapping[int, Sequence[str]] = MappingProxyType({})
) -> dict[int, Answer]:
    return {
        status: Answer(
            content={JSON: _ERROR},
            headers=_schemas(names),
            optional_headers=_schemas(optional.get(status, ())),
        )
        for status, names in headers.items()
    }


def _file_parameters(*headers: str) -> tuple[Parameter, ...]:
    query = ("Expires", "Signature", "Key-Pair-Id")
    return (
        _id(STRING),
        *(Parameter(name=name, location="query", schema=STRING) for name in query),
        *(_header(name) for name in ("If-Match", "If-None-Match", *headers)),
    )


_FILE_ANSWERS = {
    200: Answer(
        description="The file.",
        content={media: {} for media in _FILES},
        headers=_schemas(_FILE),
        optional_headers=_schemas(_ENCODED),
    ),
    304: Answer(
        description="The client has it.",
        headers=_schemas((*_EVERY, "ETag", "Cache-Control")),
        optional_headers=_schemas(["Vary"]),
    ),
}
_FILE_OPERATIONS = (
    Operation(
        name="download",
        method="GET",
        path=LINK + "{id}",
        summary="Download the file of a link.",
        parameters=_file_parameters("Range", "If-Range"),
        answers={
            **_FILE_ANSWERS,
            206: Answer(
                description="A part of it.",
                # Several ranges have one body of several parts, each with its own Content-Range.
                content={**{media: {} for media in _FILES}, "multipart/byteranges": {}},
                headers=_schemas(_FILE),
                optional_headers=_schemas(["Content-Range", "Content-Length", "Vary"]),
            ),
            **_errors(_GET_ERRORS),
        },
    ),
    Operation(  # without Range, which is for GET only (RFC 9110 14.2)
        name="download",
        operation_id="downloadHead",
        method="HEAD",
        path=LINK + "{id}",
        summary="Get the headers of a link's file.",
        parameters=_file_parameters(),
        answers={**_FILE_ANSWERS, **_errors(_HEAD_ERRORS)},
    ),
)
