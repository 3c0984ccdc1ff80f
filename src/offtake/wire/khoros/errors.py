"""Errors in the dialect's words: the envelope of Khoros contract 4.7, and the lower-case one of the Care look-ups
(Khoros contract 1.3)."""

from __future__ import annotations

from offtake.errors import (
    AccountNotVerified,
    ArtifactGone,
    ArtifactNotFound,
    AuditUnavailable,
    ExportError,
    IdempotencyConflict,
    ImpersonationRefused,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    InvalidZone,
    JobNotFound,
    JobOnHold,
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
from offtake.http.errors import HttpFault, nearest
from offtake.wire.khoros.interval import TooManyBuckets
from offtake.wire.khoros.responses import Answer, failed
from offtake.wire.khoros.tables import CARE_ROOT

# No status of an error is public; all of them are proposed by Khoros contract 4.7.
ERRORS: dict[type[OfftakeError], int] = {
    InvalidRequest: 400,
    UnknownReport: 404,
    ReversedTimespan: 400,
    TimespanTooLong: 400,
    InvalidZone: 400,
    InvalidScope: 400,  # the dialect issues no tokens
    InvalidGrant: 400,
    NotAuthenticated: 401,
    AccountNotVerified: 403,  # nobody asks in this dialect
    NotPermitted: 403,
    ImpersonationRefused: 403,  # nobody acts for others in this dialect
    LinkRefused: 403,  # the dialect's own paths never raise it
    LinkExpired: 403,
    JobNotFound: 404,
    ArtifactNotFound: 404,
    ArtifactGone: 404,  # the dialect deletes nothing
    JobStateConflict: 409,
    JobOnHold: 409,
    IdempotencyConflict: 409,  # the dialect has no such keys
    QuotaExceeded: 429,
    RateExceeded: 429,
    AuditUnavailable: 503,
    Unavailable: 503,
    ExportError: 500,
    OfftakeError: 500,
}


def render_error(error: OfftakeError | HttpFault, path: str) -> Answer:
    """The answer to an error on one of the dialect's paths."""
    status = error.status if isinstance(error, HttpFault) else nearest(ERRORS, error)
    headers = dict(error.headers) if isinstance(error, HttpFault) else _headers(error)
    if path.startswith(CARE_ROOT):
        return Answer({"status": "fail", "message": error.message}, status, headers=headers)
    return Answer(failed(error.message, _result(error)), status, headers=headers)


def _result(error: OfftakeError | HttpFault) -> str:
    """The same text, or a longer one that names the faulty parameters."""
    if isinstance(error, TooManyBuckets):
        return error.result
    if isinstance(error, InvalidRequest) and error.fields:
        return " ".join([error.message, *(f"{fault.name}: {fault.description}." for fault in error.fields)])
    return error.message


def _headers(error: OfftakeError) -> dict[str, str]:
    if isinstance(error, Waitable):
        return {"retry-after": str(error.retry_after)}
    if isinstance(error, NotAuthenticated):
        return {"www-authenticate": 'Basic realm="offtake", charset="UTF-8"'}
    return {}
