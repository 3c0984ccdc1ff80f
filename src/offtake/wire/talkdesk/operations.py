"""The dialect's operations: paths, and what each may answer (Talkdesk contract 1.2, 2 and 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from offtake.catalogue.load import Catalogue
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
from offtake.http.errors import nearest_of
from offtake.wire.document import FORM, JSON, Answer, Operation, Parameter, Schema, one_of
from offtake.wire.errors import STATUSES
from offtake.wire.talkdesk.errors import CODES, HTTP_CODE, OAUTH_FAULT, OAUTH_WORDS
from offtake.wire.talkdesk.schema import (
    DEFAULT_PAGE,
    LONGEST_PAGE,
    CreateBody,
    CreatedDocument,
    ErrorBody,
    JobDocument,
    JobList,
    Nothing,
    OAuthError,
    RevokeForm,
    TokenBody,
    TokenForm,
)
from offtake.wire.talkdesk.tables import NAME, TOKEN_PATH

UNSUPPORTED_GRANT = "unsupported_grant_type"
_JOBS = "/data/reports/{report_type}/jobs"
_JOB = _JOBS + "/{job_id}"
_FILE = "/data/reports/{report_type}/files/{job_id}"
_TOKEN_FAULTS = (405, 408, 413)
_BODY_FAULTS = (405, 408, 413, 415)
_JOB_ID = Parameter(name="job_id", location="path", required=True, schema={"type": "string", "format": "uuid"})
_MOST_PAGES = 10**18 - 1
_PAGE = Parameter(
    name="page",
    location="query",
    schema={"type": "integer", "minimum": 1, "maximum": _MOST_PAGES, "default": 1},
)
_PER_PAGE = Parameter(
    name="per_page",
    location="query",
    schema={"type": "integer", "minimum": 1, "maximum": LONGEST_PAGE, "default": DEFAULT_PAGE},
)
_LOCATION: Schema = {"type": "string", "format": "uri"}
_SECONDS: Schema = {"type": "integer", "minimum": 1}


def operations(catalogue: Catalogue) -> tuple[Operation, ...]:
    """A row for each operation. The report types are those of the catalogue."""
    published = [item for (dialect, _), item in catalogue.publications.items() if dialect == NAME]
    slugs = sorted(slug for item in published for slug in (item.slug, *item.aliases))
    report = Parameter(name="report_type", location="path", required=True, schema=one_of(slugs))
    return (*_TOKEN_OPERATIONS, *_job_operations(report), *_file_operations(report))


def reference(body: type | Any) -> Schema:
    """A reference to the schema of a body, by its name in the document's components."""
    return {"$ref": f"#/components/schemas/{body.__name__}"}


def _json(body: type | Any) -> dict[str, Schema]:
    return {JSON: reference(body)}


def _refusals(*errors: type[OfftakeError], faults: Sequence[int] = (405,)) -> dict[int, Answer]:
    """Answers to the errors of a report operation, to those that every such operation has, and to faults of HTTP."""
    every = (InvalidRequest, NotPermitted, NotAuthenticated, Unavailable, OfftakeError, *errors)
    rows = [(nearest_of(STATUSES, error), nearest_of(CODES, error)) for error in every]
    return _by_status([*rows, *((status, HTTP_CODE) for status in faults)], ErrorBody, field="code")


def _oauth_refusals(*errors: type[OfftakeError], words: Sequence[str] = ()) -> dict[int, Answer]:
    """The same for a token endpoint. ``words`` come with 400 and stand for no error class."""
    every = (InvalidRequest, NotAuthenticated, Unavailable, OfftakeError, *errors)
    rows = [(nearest_of(STATUSES, error), nearest_of(OAUTH_WORDS, error)) for error in every]
    rows += [(400, word) for word in words]
    return _by_status([*rows, *((status, OAUTH_FAULT) for status in _TOKEN_FAULTS)], OAuthError, field="error")


def _by_status(rows: Iterable[tuple[int, str]], body: type | Any, *, field: str) -> dict[int, Answer]:
    """For each status, the body of the error with the words that its ``field`` may have."""
    words: dict[int, set[str]] = {}
    for status, word in rows:
        words.setdefault(status, set()).add(word)
    return {
        status: Answer(
            content={JSON: {"allOf": [reference(body), {"properties": {field: one_of(sorted(found))}}]}},
            headers={"Retry-After": _SECONDS} if status == 503 else {},
            optional_headers={"Retry-After": _SECONDS} if status == 429 else {},  # a budget may not know the time
        )
        for status, found in words.items()
    }


_TOKEN_OPERATIONS = (
    Operation(
        name="token",
        method="POST",
        path=TOKEN_PATH,
        summary="Get a token by client credentials, or for a refresh token.",
        security=("client", None),
        body={FORM: reference(TokenForm)},
        answers={
            200: Answer(content=_json(TokenBody)),
            **_oauth_refusals(InvalidGrant, InvalidScope, words=[UNSUPPORTED_GRANT]),
        },
    ),
    Operation(
        name="revoke",
        method="POST",
        path="/oauth/revoke",
        summary="End a token and all that came from the same authentication (extension, RFC 7009).",
        security=("client", None),
        body={FORM: reference(RevokeForm)},
        answers={200: Answer(content=_json(Nothing)), **_oauth_refusals()},
    ),
)


def _job_operations(report: Parameter) -> tuple[Operation, ...]:
    status = Answer(content=_json(JobDocument))
    return (
        Operation(
            name="create",
            method="POST",
            path=_JOBS,
            summary="Create an export.",
            security=("bearer",),
            parameters=(report,),
            body=_json(CreateBody),
            answers={
                202: Answer(content=_json(CreatedDocument)),
                **_refusals(ReversedTimespan, TimespanTooLong, InvalidZone, QuotaExceeded, faults=_BODY_FAULTS),
            },
        ),
        Operation(
            name="list",
            method="GET",
            path=_JOBS,
            summary="List the jobs of a report, newest first.",
            security=("bearer",),
            parameters=(report, _PAGE, _PER_PAGE),
            answers={200: Answer(content=_json(JobList)), **_refusals()},
        ),
        Operation(
            name="status",
            method="GET",
            path=_JOB,
            summary="Read a job: 200 until it has a file, then 303 to the file.",
            security=("bearer",),
            parameters=(report, _JOB_ID),
            answers={
                200: status,
                303: Answer(content=status.content, headers={"Location": _LOCATION}),
                **_refusals(JobNotFound),
            },
        ),
        Operation(
            name="cancel",
            method="DELETE",
            path=_JOB,
            summary="Cancel a job that has not ended (extension).",
            security=("bearer",),
            parameters=(report, _JOB_ID),
            answers={204: Answer(), **_refusals(JobNotFound, JobStateConflict)},
        ),
    )


def _file_operations(report: Parameter) -> tuple[Operation, ...]:
    return (
        Operation(
            name="download",
            method="GET",
            path=_FILE,
            summary="Get a new link to the file: absolute, signed, short-lived, valid without a token.",
            security=("bearer",),
            parameters=(report, _JOB_ID),
            answers={302: Answer(headers={"Location": _LOCATION}), **_refusals(ArtifactNotFound)},
        ),
        Operation(
            name="delete",
            method="DELETE",
            path=_FILE,
            summary="Delete a file; its job remains in the list.",
            security=("bearer",),
            parameters=(report, _JOB_ID),
            answers={204: Answer(), **_refusals(JobNotFound, ArtifactGone, JobStateConflict)},
        ),
    )
