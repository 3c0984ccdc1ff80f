"""Errors in the dialect's words: Talkdesk contract 4, and the OAuth shape of Talkdesk contract 1.2."""

from __future__ import annotations

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
    TimespanTooLong,
    Unavailable,
    UnknownReport,
    Waitable,
)
from offtake.http.errors import HttpFault, nearest

# Class: status, code. Documented unless marked.
ERRORS: dict[type[OfftakeError], tuple[int, str]] = {
    InvalidRequest: (400, "1020001"),
    UnknownReport: (400, "1020001"),
    ReversedTimespan: (400, "1020005"),
    TimespanTooLong: (400, "1020013"),
    InvalidZone: (400, "1020016"),
    NotAuthenticated: (401, "1020018"),
    InvalidGrant: (401, "1020018"),  # the token endpoints alone raise it, in the shape below
    NotPermitted: (403, "1020004"),
    LinkRefused: (403, "1020004"),  # proposed; the dialect's own paths never raise it
    JobNotFound: (404, "1020011"),
    ArtifactNotFound: (404, "1020008"),
    AccountNotVerified: (403, "1020004"),  # proposed; nobody asks in this dialect
    ArtifactGone: (404, "1020009"),
    JobStateConflict: (409, "1020007"),
    IdempotencyConflict: (409, "1020007"),  # proposed; this dialect has no such keys
    QuotaExceeded: (429, "1020017"),
    RateExceeded: (429, "1020017"),  # proposed; this dialect counts no requests
    AuditUnavailable: (503, "1020019"),
    Unavailable: (503, "1020019"),  # what cannot be stored cannot be audited either; the only documented 503
    ExportError: (500, "1020000"),  # proposed
    OfftakeError: (500, "1020000"),  # proposed
}
# At the token endpoints: status and word (Talkdesk contract 1.2; RFC 6749 5.2).
OAUTH_ERRORS: dict[type[OfftakeError], tuple[int, str]] = {
    NotAuthenticated: (401, "invalid_client"),
    InvalidGrant: (400, "invalid_grant"),
    InvalidScope: (400, "invalid_scope"),
    InvalidRequest: (400, "invalid_request"),
    Waitable: (503, "temporarily_unavailable"),
    OfftakeError: (500, "server_error"),
}
OAUTH_FAULT = "invalid_request"  # 405, 408, 413 at the token endpoints
HTTP_CODE = "1020000"  # proposed: 404 of no route, 405, 406, 408, 413, 415


class OAuthRefusal(ExportError):
    """A refusal of the token endpoint, which has a shape of its own."""

    code = "oauth"

    def __init__(self, error: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.error = error
        self.status = status


def render_error(error: OfftakeError | HttpFault, path: str) -> Response:
    """The answer to an error on one of the dialect's paths. Always JSON: clients break on anything else."""
    if path.startswith("/oauth"):
        return _oauth(error)
    if isinstance(error, HttpFault):
        body = _body(HTTP_CODE, error.message)
        return JSONResponse(body, error.status, headers=dict(error.headers))
    status, code = nearest(ERRORS, error)
    body = _body(code, error.message)
    if isinstance(error, InvalidRequest) and error.fields:
        body["fields"] = [{"name": fault.name, "description": fault.description} for fault in error.fields]
    return JSONResponse(body, status, headers=_headers(error))


def _body(code: str, message: str) -> dict[str, Any]:
    """Code, message and description are always sent: the spec and the docs page each require a different pair."""
    return {"code": code, "message": message, "description": message}


def _headers(error: OfftakeError) -> dict[str, str]:
    if isinstance(error, Waitable):
        return {"retry-after": str(error.retry_after)}
    if isinstance(error, NotAuthenticated):
        return {"www-authenticate": "Bearer"}
    return {}


def _oauth(error: OfftakeError | HttpFault) -> Response:
    if isinstance(error, OAuthRefusal):
        return _oauth_body(error.status, error.error, error.message)
    if isinstance(error, HttpFault):
        word = "server_error" if error.status >= 500 else OAUTH_FAULT
        return _oauth_body(error.status, word, error.message, dict(error.headers))
    status, word = nearest(OAUTH_ERRORS, error)
    headers = {"www-authenticate": 'Basic realm="offtake"'} if status == 401 else _headers(error)
    return _oauth_body(status, word, error.message, headers)


def _oauth_body(status: int, error: str, description: str, headers: dict[str, str] | None = None) -> Response:
    body = {"error": error, "error_description": description}
    return JSONResponse(body, status, headers={"cache-control": "no-store", **(headers or {})})
