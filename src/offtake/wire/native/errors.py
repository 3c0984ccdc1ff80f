"""The dialect's errors: problem details (RFC 9457) with a stable code and the single faults of a request."""

from __future__ import annotations

import re
from http import HTTPStatus

from starlette.responses import Response

from offtake.errors import (
    ArtifactGone,
    BudgetExceeded,
    InvalidRequest,
    InvalidScope,
    JobError,
    MalformedBody,
    NotAuthenticated,
    OfftakeError,
    RateExceeded,
    UnknownReport,
)
from offtake.http.access_log import current_request
from offtake.http.errors import HttpFault, nearest
from offtake.http.json_body import pointer_to
from offtake.wire.errors import STATUSES, error_headers
from offtake.wire.native.faults import Fault, InvalidFields, sentence
from offtake.wire.native.problem import FreeableExport, Problem, ProblemError
from offtake.wire.native.rates import refused_rate_headers
from offtake.wire.native.tables import API, NAME, PROBLEM_MEDIA

# The shared statuses, and those that differ.
ERRORS: dict[type[OfftakeError], int] = {
    **STATUSES,
    InvalidRequest: 422,
    MalformedBody: 400,
    UnknownReport: 404,  # of a path
    InvalidScope: 400,  # no path of the dialect raises it
    ArtifactGone: 410,
    BudgetExceeded: 507,
}
# Refusals by HTTP itself. A body that is too large is one that the reader of bodies refuses, as one that is not JSON.
_BODY_TOO_LARGE = 413
HTTP_CODES: dict[int, str] = {
    400: "malformed_body",
    404: "no_such_path",
    405: "method_not_allowed",
    408: "body_too_slow",
    412: "precondition_failed",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    421: "misdirected_request",
    431: "headers_too_large",
    500: "internal",
}
# What each code means.
TITLES: dict[str, str] = {
    "artifact_gone": "The files were deleted or have expired",
    "artifact_not_found": "There is no such file",
    "audit_unavailable": "The audit log cannot be written, so nothing was done",
    "body_too_large": "The body is too large",
    "body_too_slow": "The body took too long to arrive",
    "budget_exceeded": "The storage budget of the account is exhausted",
    "headers_too_large": "The request line and the headers are too large",
    "idempotency_conflict": "The idempotency key was used for another request",
    "internal": "Internal server error",
    "invalid_request": "The request has faults",
    "invalid_zone": "There is no such time zone",
    "job_not_found": "There is no such export",
    "job_on_hold": "The export is held",
    "job_state_conflict": "Not possible in the present state of the export",
    "malformed_body": "The body is no JSON object that can be stored",
    "malformed_request": "The request is not HTTP",
    "method_not_allowed": "The path does not have this method",
    "misdirected_request": "The server does not serve this host",
    "no_such_path": "There is no such path",
    "not_authenticated": "The token is missing, unknown, expired or revoked",
    "not_permitted": "The credential may not do this",
    "precondition_failed": "If-Match does not name the ETag",
    "preview_too_large": "The preview needs more time or memory than previews may have",
    "quota_exceeded": "The account has too many exports that have not ended",
    "range_not_satisfiable": "The range is beyond the end of the file",
    "rate_exceeded": "The credential sent too many requests in the period",
    "reversed_timespan": "The end is not later than the start",
    "throttled": "Too many requests of this address or account are running",
    "timespan_too_long": "The timespan is longer than the operator allows",
    "unavailable": "Not possible at present",
    "unknown_report": "There is no such report",
    "unsupported_media_type": "The body is not application/json, or it has a Content-Encoding",
}
_SEPARATORS = re.compile(r"[./]")  # of the keys in the core's names of faulty fields


def render_error(error: OfftakeError | HttpFault, path: str) -> Response:
    """The answer to an error on one of the dialect's paths."""
    if isinstance(error, HttpFault):
        return _render_http_fault(error)
    headers = error_headers(error, challenge="Bearer")
    if isinstance(error, NotAuthenticated):
        headers["www-authenticate"] = 'Bearer realm="offtake"'
    if isinstance(error, RateExceeded):
        headers |= refused_rate_headers(error)
    detail = error.worded("export") if isinstance(error, JobError) else error.message
    return _problem(nearest(ERRORS, error), error.code, detail, _errors(error), headers, _frees(error))


def _frees(error: OfftakeError) -> list[FreeableExport] | None:
    if not isinstance(error, BudgetExceeded) or not error.largest:
        return None
    return [
        FreeableExport(
            export=each.job,
            dialect=each.dialect,
            report=each.report,
            files=each.files,
            bytes=each.bytes,
            rows=each.rows,
            delete=f"DELETE {API}/exports/{each.job}" if each.dialect == NAME else None,
        )
        for each in error.largest
    ]


def _render_http_fault(error: HttpFault) -> Response:
    if error.status == _BODY_TOO_LARGE:
        return _problem(400, "body_too_large", error.message, [], dict(error.headers))
    code = error.code or HTTP_CODES.get(error.status, "http")
    return _problem(error.status, code, _http_detail(error), [], dict(error.headers))


def _http_detail(error: HttpFault) -> str:
    """What is wrong and what to do; the framework's own words for 404 and 405 say neither."""
    if error.status == HTTPStatus.NOT_FOUND:
        return f"There is no such path; GET {API}/openapi.json describes all paths."
    if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"The path does not have this method; it has {error.headers.get('allow') or 'none'}."
    return error.message


def _problem(
    status: int,
    code: str,
    detail: str,
    errors: list[ProblemError],
    headers: dict[str, str],
    frees: list[FreeableExport] | None = None,
) -> Response:
    body = Problem(
        type=f"urn:offtake:problem:{code}",
        title=TITLES.get(code, code.replace("_", " ").capitalize()),
        status=HTTPStatus(status),
        code=code,
        detail=detail,
        request=current_request(),
        frees=frees,
        errors=errors,
    )
    content = body.model_dump_json(exclude_none=True)
    return Response(content, status, headers=headers, media_type=PROBLEM_MEDIA)


def _errors(error: OfftakeError) -> list[ProblemError]:
    if isinstance(error, InvalidFields):
        return [_error(each) for each in error.faults]
    if isinstance(error, InvalidRequest):
        return [
            ProblemError(pointer=pointer_to(*_SEPARATORS.split(each.name)), message=sentence(each.description))
            for each in error.fields
        ]
    return []


def _error(each: Fault) -> ProblemError:
    return ProblemError(
        pointer=None if each.parameter else pointer_to(*each.keys),
        parameter=each.parameter,
        message=each.message,
        accepted=list(each.accepted) or None,
        nearest=each.nearest,
    )
