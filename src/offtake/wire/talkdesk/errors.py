"""The dialect's error bodies: Talkdesk contract 4, and the OAuth shape of Talkdesk contract 1.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from offtake.errors import (
    AccountNotVerified,
    ArtifactGone,
    ArtifactNotFound,
    AuditUnavailable,
    ExportError,
    IdempotencyConflict,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    InvalidZone,
    JobNotFound,
    JobStateConflict,
    LinkRefused,
    NotAuthenticated,
    NotPermitted,
    OfftakeError,
    QuotaExceeded,
    RateExceeded,
    ReversedTimespan,
    Throttled,
    TimespanTooLong,
    Unavailable,
    Waitable,
)
from offtake.http.errors import HttpFault, nearest
from offtake.wire.errors import STATUSES, error_headers

# The vendor's codes, documented unless marked. All statuses are the shared ones.
CODES: dict[type[OfftakeError], str] = {
    InvalidRequest: "1020001",
    ReversedTimespan: "1020005",
    TimespanTooLong: "1020013",
    InvalidZone: "1020016",
    NotAuthenticated: "1020018",
    NotPermitted: "1020004",
    AccountNotVerified: "1020004",  # proposed; no path of the dialect raises it
    LinkRefused: "1020004",  # proposed; no path of the dialect raises it
    JobNotFound: "1020011",
    ArtifactNotFound: "1020008",
    ArtifactGone: "1020009",
    JobStateConflict: "1020007",
    IdempotencyConflict: "1020007",  # proposed; the dialect has no such keys
    QuotaExceeded: "1020017",
    RateExceeded: "1020017",  # proposed; the dialect counts the requests of accounts, which are Throttled
    Throttled: "1020017",  # proposed
    AuditUnavailable: "1020019",
    Unavailable: "1020019",  # the only documented 503; without the store there is no audit log either
    OfftakeError: "1020000",  # proposed
}
# Words of the token endpoints (Talkdesk contract 1.2; RFC 6749 5.2).
OAUTH_WORDS: dict[type[OfftakeError], str] = {
    NotAuthenticated: "invalid_client",
    InvalidGrant: "invalid_grant",
    InvalidScope: "invalid_scope",
    InvalidRequest: "invalid_request",
    Waitable: "temporarily_unavailable",
    OfftakeError: "server_error",
}
OAUTH_FAULT = "invalid_request"  # 405, 408, 413 at the token endpoints
HTTP_CODE = "1020000"  # proposed: 404 for an unknown path, 405, 406, 408, 413, 415


class OAuthRefusal(ExportError):
    """A refusal of a token endpoint with one of the words of RFC 6749."""

    code = "oauth"

    def __init__(self, error: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.error = error
        self.status = status


def render_error(error: OfftakeError | HttpFault, path: str) -> Response:
    """The answer to an error on one of the dialect's paths. Always JSON: clients fail on anything else."""
    if path.startswith("/oauth"):
        return _oauth(error)
    if isinstance(error, HttpFault):
        return JSONResponse(_body(HTTP_CODE, error.message), error.status, headers=dict(error.headers))
    body = _body(nearest(CODES, error), error.message)
    if isinstance(error, InvalidRequest) and error.fields:
        body["fields"] = [{"name": fault.name, "description": fault.description} for fault in error.fields]
    return JSONResponse(body, nearest(STATUSES, error), headers=error_headers(error, challenge="Bearer"))


def _body(code: str, message: str) -> dict[str, Any]:
    """Code, message and description are always sent: the spec and the docs page each require a different pair."""
    return {"code": code, "message": message, "description": message}


def _oauth(error: OfftakeError | HttpFault) -> Response:
    if isinstance(error, OAuthRefusal):
        return _oauth_body(error.status, error.error, error.message)
    if isinstance(error, HttpFault):
        word = "server_error" if error.status >= 500 else OAUTH_FAULT
        return _oauth_body(error.status, word, error.message, error.headers)
    headers = error_headers(error, challenge='Basic realm="offtake"')
    return _oauth_body(nearest(STATUSES, error), nearest(OAUTH_WORDS, error), error.message, headers)


def _oauth_body(status: int, error: str, description: str, headers: Mapping[str, str] | None = None) -> Response:
    body = {"error": error, "error_description": description}
    return JSONResponse(body, status, headers={"cache-control": "no-store", **(headers or {})})
