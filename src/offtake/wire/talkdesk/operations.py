"""The dialect's operations: paths, scopes, and what each may answer (Talkdesk contract 1.2, 2 and 4).

The router adds a route for each, and the OpenAPI document describes each, so that neither can forget one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from offtake.errors import (
    ArtifactGone,
    ArtifactNotFound,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    InvalidZone,
    JobNotFound,
    JobStateConflict,
    NotAuthenticated,
    NotPermitted,
    OfftakeError,
    QuotaExceeded,
    ReversedTimespan,
    TimespanTooLong,
    Unavailable,
)
from offtake.model.tenant import Scope
from offtake.wire.talkdesk.schema import (
    CreateBody,
    CreatedDocument,
    JobDocument,
    JobList,
    Nothing,
    RevokeForm,
    TokenBody,
    TokenForm,
)

UNSUPPORTED_GRANT = "unsupported_grant_type"
TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
DOCUMENT_PATH = "/data/openapi.json"
_JOBS = "/data/reports/{report_type}/jobs"
_JOB = _JOBS + "/{job_id}"
_FILE = "/data/reports/{report_type}/files/{job_id}"
_ALWAYS: tuple[type[OfftakeError], ...] = (NotAuthenticated, Unavailable, OfftakeError)
_REPORTS = (InvalidRequest, NotPermitted, *_ALWAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path. ``name`` is that of the endpoint."""

    name: str
    method: str
    path: str
    summary: str
    success: int
    errors: tuple[type[OfftakeError], ...]
    sent: Any = None  # type of the request's body
    body: Any = None  # type of the successful answer; None: it has none
    also: tuple[int, ...] = ()  # other statuses with that body
    faults: tuple[int, ...] = ()  # refusals by HTTP itself
    words: tuple[tuple[int, str], ...] = ()  # refusals that have no class: status and code
    scope: Scope | None = None  # None: the client proves itself, there is no token yet
    paged: bool = False


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="token",
        method="POST",
        path=TOKEN_PATH,
        summary="Get a token by client credentials, or for a refresh token.",
        success=200,
        sent=TokenForm,
        body=TokenBody,
        errors=(InvalidRequest, InvalidGrant, InvalidScope, *_ALWAYS),
        words=((400, UNSUPPORTED_GRANT),),
        faults=(408, 413),
    ),
    Operation(
        name="revoke",
        method="POST",
        path="/oauth/revoke",
        summary="End a token and all that came from the same proof (extension, RFC 7009).",
        success=200,
        sent=RevokeForm,
        body=Nothing,
        errors=(InvalidRequest, *_ALWAYS),
        faults=(408, 413),
    ),
    Operation(
        name="create",
        method="POST",
        path=_JOBS,
        summary="Order an export.",
        success=202,
        sent=CreateBody,
        body=CreatedDocument,
        errors=(*_REPORTS, ReversedTimespan, TimespanTooLong, InvalidZone, QuotaExceeded),
        faults=(408, 413, 415),
        scope=Scope.WRITE,
    ),
    Operation(
        name="list",
        method="GET",
        path=_JOBS,
        summary="List the jobs of a report, newest first.",
        success=200,
        body=JobList,
        paged=True,
        errors=_REPORTS,
        scope=Scope.READ,
    ),
    Operation(
        name="status",
        method="GET",
        path=_JOB,
        summary="Look at a job: 200 until it has a file, then 303 to the file.",
        success=200,
        also=(303,),
        body=JobDocument,
        errors=(*_REPORTS, JobNotFound),
        scope=Scope.READ,
    ),
    Operation(
        name="cancel",
        method="DELETE",
        path=_JOB,
        summary="End a job that has not ended (extension).",
        success=204,
        errors=(*_REPORTS, JobNotFound, JobStateConflict),
        scope=Scope.WRITE,
    ),
    Operation(
        name="download",
        method="GET",
        path=_FILE,
        summary="Get a fresh link to the file: absolute, signed, short-lived, good without a token.",
        success=302,
        errors=(*_REPORTS, ArtifactNotFound),
        scope=Scope.READ,
    ),
    Operation(
        name="delete",
        method="DELETE",
        path=_FILE,
        summary="Delete a file; its job stays in the list.",
        success=204,
        errors=(*_REPORTS, JobNotFound, ArtifactGone, JobStateConflict),
        scope=Scope.WRITE,
    ),
)
