"""The dialect's errors: an object with ``errorCode`` and ``message`` (docs/reference/sharing.md).

The protocol leaves the codes to the server; these are those of its reference server where that has one.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse, Response

from offtake.errors import (
    AccountNotVerified,
    ArtifactGone,
    ArtifactNotFound,
    IdempotencyConflict,
    InvalidRequest,
    JobNotFound,
    JobStateConflict,
    LinkRefused,
    MalformedBody,
    NotAuthenticated,
    NotPermitted,
    OfftakeError,
    QuotaExceeded,
    RateExceeded,
    SharedTableNotFound,
    Throttled,
    Waitable,
)
from offtake.http.errors import HttpFault, nearest
from offtake.wire.errors import STATUSES, error_headers

_NOT_FOUND, _INVALID, _TOO_MANY = "RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "TOO_MANY_REQUESTS"
CODES: dict[type[OfftakeError], str] = {
    InvalidRequest: _INVALID,
    MalformedBody: "MALFORMED_REQUEST",
    NotAuthenticated: "UNAUTHENTICATED",
    NotPermitted: "PERMISSION_DENIED",
    AccountNotVerified: "PERMISSION_DENIED",
    LinkRefused: "PERMISSION_DENIED",
    SharedTableNotFound: _NOT_FOUND,
    JobNotFound: _NOT_FOUND,
    ArtifactNotFound: _NOT_FOUND,
    ArtifactGone: _NOT_FOUND,
    JobStateConflict: "RESOURCE_CONFLICT",
    IdempotencyConflict: "RESOURCE_CONFLICT",
    QuotaExceeded: _TOO_MANY,
    RateExceeded: _TOO_MANY,
    Throttled: _TOO_MANY,
    Waitable: "TEMPORARILY_UNAVAILABLE",
    OfftakeError: "INTERNAL_ERROR",
}
_HTTP_CODES: dict[int, str] = {404: _NOT_FOUND, 405: "METHOD_NOT_ALLOWED", 500: "INTERNAL_ERROR"}


def render_error(error: OfftakeError | HttpFault, path: str) -> Response:
    """The answer to an error on one of the dialect's paths."""
    if isinstance(error, HttpFault):
        return _answer(_HTTP_CODES.get(error.status, "MALFORMED_REQUEST"), error.message, error.status, error.headers)
    headers = error_headers(error, challenge="Bearer")
    return _answer(nearest(CODES, error), error.message, nearest(STATUSES, error), headers)


def _answer(code: str, message: str, status: int, headers: Mapping[str, str]) -> Response:
    return JSONResponse({"errorCode": code, "message": message}, status, headers=dict(headers))
