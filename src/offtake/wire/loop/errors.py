"""Errors in the dialect's words: Loop contract 9. The statuses are documented, the words proposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from offtake.errors import (
    AccountNotVerified,
    ArtifactGone,
    ArtifactNotFound,
    AuditUnavailable,
    ExportError,
    FieldFault,
    IdempotencyConflict,
    ImpersonationRefused,
    InvalidRequest,
    InvalidZone,
    JobNotFound,
    JobStateConflict,
    LinkExpired,
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
from offtake.http.access_log import current_request
from offtake.http.errors import HttpFault, nearest

ERRORS: dict[type[OfftakeError], tuple[int, str]] = {
    InvalidRequest: (400, "InvalidRequest"),
    UnknownReport: (400, "InvalidRequest"),  # no path of the dialect names a report
    ReversedTimespan: (400, "InvalidPeriod"),
    TimespanTooLong: (400, "PeriodTooLong"),
    InvalidZone: (400, "InvalidTimezone"),
    NotAuthenticated: (401, "Unauthorized"),
    NotPermitted: (403, "Forbidden"),
    ImpersonationRefused: (403, "ImpersonationNotAllowed"),
    LinkRefused: (403, "SignatureInvalid"),
    LinkExpired: (403, "LinkExpired"),
    JobNotFound: (404, "NotFound"),
    JobStateConflict: (409, "Conflict"),  # the dialect changes no job
    IdempotencyConflict: (409, "IdempotencyConflict"),
    ArtifactNotFound: (410, "Gone"),
    ArtifactGone: (410, "Gone"),  # the dialect deletes nothing
    QuotaExceeded: (429, "TooManyRequests"),
    RateExceeded: (429, "TooManyRequests"),
    AccountNotVerified: (451, "AccountNotVerified"),
    AuditUnavailable: (503, "ServiceUnavailable"),
    Unavailable: (503, "ServiceUnavailable"),
    ExportError: (500, "InternalError"),
    OfftakeError: (500, "InternalError"),
}
_HTTP: dict[int, str] = {
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    412: "PreconditionFailed",
    413: "PayloadTooLarge",
    415: "UnsupportedMediaType",
    416: "RangeNotSatisfiable",
    500: "InternalError",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with one field: the rule of Loop contract 5.2 that it breaks, the code, and the rest of a sentence
    that begins with the field's name. Without a field, a whole sentence."""

    rule: int
    code: str
    field: str
    text: str

    @property
    def sentence(self) -> str:
        """For people."""
        return f"'{self.field}' {self.text}." if self.field else self.text


class Refused(InvalidRequest):
    """A request with faults; the one that breaks the first rule stands for all."""

    code = "loop_refused"

    def __init__(self, faults: Sequence[Fault]) -> None:
        ordered = sorted(faults, key=lambda fault: fault.rule)
        named = [FieldFault(fault.field, fault.text) for fault in ordered if fault.field]
        super().__init__(ordered[0].sentence, named)
        self.faults = tuple(ordered)


def refuse(code: str, text: str, *, field: str = "") -> Refused:
    """A request with one fault, outside the rules for bodies."""
    return Refused([Fault(rule=0, code=code, field=field, text=text)])


def render_error(error: OfftakeError | HttpFault, path: str) -> Response:
    """The answer to an error on one of the dialect's paths. Always JSON, whatever the client would like."""
    del path  # one shape for all of them
    if isinstance(error, HttpFault):
        body = _body(_HTTP.get(error.status, "InvalidRequest"), error.message, ())
        return JSONResponse(body, error.status, headers=dict(error.headers))
    status, code = nearest(ERRORS, error)
    faults = error.faults if isinstance(error, Refused) else ()
    body = _body(faults[0].code if faults else code, error.message, faults)
    return JSONResponse(body, status, headers=_headers(error))


def _body(code: str, message: str, faults: Sequence[Fault]) -> dict[str, Any]:
    errors = [{"field": f.field, "errorCode": f.code, "message": f.text} for f in faults if f.field]
    return {"errorCode": code, "message": message, "errors": errors, "requestId": current_request()}


def _headers(error: OfftakeError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if isinstance(error, Waitable):
        headers["retry-after"] = str(error.retry_after)
    if isinstance(error, RateExceeded):
        headers |= rate_headers(error.allowed, 0, error.retry_after)
    if isinstance(error, NotAuthenticated):
        headers["www-authenticate"] = "Bearer"
    return headers


def rate_headers(allowed: int, left: int, resets_in: int) -> dict[str, str]:
    """What a client may do until when (Loop contract 9)."""
    return {"ratelimit-limit": str(allowed), "ratelimit-remaining": str(left), "ratelimit-reset": str(resets_in)}
