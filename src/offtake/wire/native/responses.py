"""What operations may be answered, for the OpenAPI document: problems, and the headers of every answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offtake.wire.native.tables import PROBLEM_MEDIA

PROBLEM_SCHEMA = "#/components/schemas/Problem"
_STRING: Mapping[str, Any] = {"type": "string"}
_REQUEST_ID = {"X-Request-Id": {"required": True, "schema": _STRING}}
_RATE = {name: {"schema": _STRING} for name in ("RateLimit", "RateLimit-Policy")}
_RETRY = {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}}
POLL_HEADERS: Mapping[str, Any] = {"Retry-After": {"type": "integer", "minimum": 1}}
CREATED_HEADERS: Mapping[str, Any] = {
    **POLL_HEADERS,
    "Location": {"type": "string", "format": "uri"},
    "Preference-Applied": _STRING,
}
_EVERYWHERE = (401, 403, 422, 429, 503)
_WITH_BODY = (400, 408, 415)
_DESCRIPTIONS = {
    400: "The body is not a JSON object within the limits.",
    401: "The token is missing, unknown, expired or revoked.",
    403: "The credential lacks the scope, or may not do this.",
    404: "There is no such thing, or not for this caller.",
    408: "The body took too long.",
    409: "Not possible in the present state, or the idempotency key was used for another request.",
    410: "The files were deleted or have expired.",
    412: "If-Match does not name the ETag.",
    415: "The body is not application/json, or it has a Content-Encoding.",
    422: "The request has faults, which the problem lists.",
    429: "A rate or a quota is exhausted; Retry-After says when to try again.",
    503: "Not possible at present; Retry-After says when to try again.",
    507: "The storage budget of the account is exhausted; the problem says what would free it.",
}


def problems(*statuses: int, has_body: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return the problems of an operation: those of all operations, those of a body, and the given statuses."""
    every = sorted({*_EVERYWHERE, *statuses, *(_WITH_BODY if has_body else ())})
    return {status: _problem(status) for status in every}


def answered(
    status: int, description: str, headers: Mapping[str, Any], model: Any = None
) -> dict[int | str, dict[str, Any]]:
    """Return the description of an answer that is no problem, with its headers besides those of every answer."""
    named = {name: {"schema": schema} for name, schema in headers.items()}
    answer: dict[str, Any] = {"description": description, "headers": {**_REQUEST_ID, **_RATE, **named}}
    return {status: answer if model is None else {**answer, "model": model}}


def _problem(status: int) -> dict[str, Any]:
    headers: dict[str, Any] = {**_REQUEST_ID, **_RATE}
    if status in (429, 503, 507):
        headers |= _RETRY
    if status == 401:
        headers |= {"WWW-Authenticate": {"required": True, "schema": _STRING}}
    return {
        "description": _DESCRIPTIONS[status],
        "headers": headers,
        "content": {PROBLEM_MEDIA: {"schema": {"$ref": PROBLEM_SCHEMA}}},
    }
