"""The dialect's error bodies: Loop contract 9. The statuses are documented, the codes proposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from offtake.errors import (
    AccountNotVerified,
    ArtifactGone,
    ArtifactNotFound,
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
    Throttled,
    TimespanTooLong,
    Waitable,
)
from offtake.http.access_log import current_request
from offtake.http.errors import HttpFault, nearest
from offtake.wire.errors import STATUSES, error_headers

# The shared statuses, and those that differ.
ERRORS: dict[type[OfftakeError], int] = {
    **STATUSES,
    ArtifactNotFound: 410,
    ArtifactGone: 410,  # the dialect deletes nothing
    AccountNotVerified: 451,
}
CODES: dict[type[OfftakeError], str] = {
    InvalidRequest: "InvalidRequest",
    ReversedTimespan: "InvalidPeriod",
    TimespanTooLong: "PeriodTooLong",
    InvalidZone: "InvalidTimezone",
    NotAuthenticated: "Unauthorized",
    NotPermitted: "Forbidden",
    ImpersonationRefused: "ImpersonationNotAllowed",
    LinkRefused: "SignatureInvalid",
    LinkExpired: "LinkExpired",
    JobNotFound: "NotFound",
    JobStateConflict: "Conflict",  # the dialect changes no job
    IdempotencyConflict: "IdempotencyConflict",
    ArtifactNotFound: "Gone",
    ArtifactGone: "Gone",
    QuotaExceeded: "TooManyRequests",
    RateExceeded: "TooManyRequests",
    Throttled: "TooManyRequests",
    AccountNotVerified: "AccountNotVerified",
    Waitable: "ServiceUnavailable",
    OfftakeError: "InternalError",
}
_HTTP_CODES: dict[int, str] = {
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
    """A fault of a request: the rule of Loop contract 5.2 that it breaks, the code, the field and the text.

    The text continues a sentence that begins with the field's name. Without a field, it is a whole sentence.
    """

    rule: int
    code: str
    field: str
    text: str

    @property
    def sentence(self) -> str:
        """The message of the fault."""
        return f"'{self.field}' {self.text}." if self.field else self.text


class Refused(InvalidRequest):
    """A request with faults. The fault of the first rule gives the answer its code and message."""

    code = "loop_refused"

    def __init__(self, faults: Sequence[Fault]) -> None:
        by_rule = sorted(faults, key=lambda fault: fault.rule)
        named = [FieldFault(fault.field, fault.text) for fault in by_rule if fault.field]
        super().__init__(by_rule[0].sentence, named)
        self.faults = tuple(by_rule)


def refuse(code: str, text: str, *, field: str = "") -> Refused:
    """The refusal of a request with one fault that no rule for bodies describes."""
    return Refused([Fault(rule=0, code=code, field=field, text=text)])


def render_error(error: OfftakeError | HttpFault, path: str) -> Response:
    """The answer to an error on one of the dialect's paths. Always JSON, whatever the client accepts."""
    if isinstance(error, HttpFault):
        body = _body(_HTTP_CODES.get(error.status, "InvalidRequest"), error.message, ())
        return JSONResponse(body, error.status, headers=dict(error.headers))
    faults = error.faults if isinstance(error, Refused) else ()
    code = faults[0].code if faults else nearest(CODES, error)
    headers = error_headers(error, challenge="Bearer")
    if isinstance(error, RateExceeded):
        headers |= rate_headers(error.allowed, 0, error.resets_in)
    return JSONResponse(_body(code, error.message, faults), nearest(ERRORS, error), headers=headers)


def rate_headers(allowed: int, left: int, resets_in: int) -> dict[str, str]:
    """How many requests the client may send, how many are left, and when that ends, in seconds (Loop contract 9)."""
    return {"ratelimit-limit": str(allowed), "ratelimit-remaining": str(left), "ratelimit-reset": str(resets_in)}


def _body(code: str, message: str, faults: Sequence[Fault]) -> dict[str, Any]:
    errors = [{"field": f.field, "errorCode": f.code, "message": f.text} for f in faults if f.field]
    return {"errorCode": code, "message": message, "errors": errors, "requestId": current_request()}
