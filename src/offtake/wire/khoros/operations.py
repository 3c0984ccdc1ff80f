"""The dialect's operations: paths, and what each may answer (Khoros contract 1.3, 1.5 and 4).

The server accepts the doubled and the swapped segment of Khoros contract 1.3; the document omits these spellings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offtake.catalogue.load import Catalogue
from offtake.wire.document import (
    FORM,
    JSON,
    STRING,
    Answer,
    Operation,
    Parameter,
    Schema,
    array,
    closed_object,
    constant,
    one_of,
)
from offtake.wire.khoros.errors import ERRORS
from offtake.wire.khoros.tables import CARE_ROOT, DEFAULT_FORMAT, FORMATS, LANGUAGES, NAME, ROOT, SELECTIONS

_TEXT = "text/plain"
_INTEGER: Schema = {"type": "integer"}
_NUMBER_OR_ID: Schema = {"type": ["integer", "string"]}
_OPTIONAL: Schema = {"type": ["string", "null"]}
_NULL = _OPTIONAL  # null in every response; generators fail on a property that is null only
_MILLISECONDS: Schema = {"type": "string", "pattern": "^[0-9]{1,15}$"}
_FLAG = one_of(["true", "false"])
_UUID: Schema = {"type": "string", "format": "uuid"}
_RUN: Schema = {"type": "string", "pattern": "^23[A-Za-z0-9+/]{43}=$"}
_KEY: Schema = {"type": "string", "minLength": 1}

# Khoros contract 1.5: name, schema, meaning. The page of a report says which of them it honours.
PARAMETERS: tuple[tuple[str, Schema, str], ...] = (
    ("startTime", _MILLISECONDS, "Start of the timespan: milliseconds since 1970. Required, here or in the body."),
    ("endTime", _MILLISECONDS, "End of the timespan: milliseconds since 1970. Required, here or in the body."),
    ("reportFormat", STRING, f"One of {', '.join(FORMATS)}, in any letter case; {DEFAULT_FORMAT} by default."),
    ("locale", STRING, f"One of {', '.join(LANGUAGES)}, with or without a region."),
    ("timezone", STRING, "An IANA time zone, for the formatting of dates."),
    ("timezoneOffset", STRING, "A fixed offset in milliseconds, for the formatting of dates; UTC without either."),
    (
        "reportMetrics",
        STRING,
        "Ids of columns, in order; repeatable. Brings back columns that are disabled by default.",
    ),
    ("priorities", STRING, "Some of 0,1,2,3,4,5. All of them are no filter: rows without a priority are included."),
    ("smartViewId", STRING, "One smart view."),
    ("workqueueIds", STRING, "Work queues."),
    ("enableBusinessHour", _FLAG, "Whether to filter by business hours."),
    ("businessHourType", _FLAG, "Inside business hours, or outside."),
    ("conversationReportType", one_of(SELECTIONS), "Which conversations."),
    ("includeDisabled", _FLAG, "Include disabled agents."),
    ("teamIds", STRING, "Teams."),
    ("teamId", STRING, "Teams; repeatable."),
    ("agentId", STRING, "Agents; repeatable."),
    ("campaignId", STRING, "Campaigns; repeatable."),
    ("timeInterval", _MILLISECONDS, "Length of a bucket."),
    ("raiselimit", _FLAG, "More actions of each conversation."),
    ("csvGuardFormulas", _FLAG, "An apostrophe before csv cells that a spreadsheet would run as a formula; proposed."),
)


def _run_state(detail: str, schema: Schema) -> dict[str, Any]:
    counts = dict.fromkeys(("reason", "currentCount", "totalCount", "lastAcknowledgeTime"), _NULL)
    return closed_object({"runnerState": one_of(["RUNNING", "CLOSED"]), detail: schema, **counts})


_IDS: dict[str, Schema] = {"workflowId": _UUID, "runId": _RUN}
_CREATED = closed_object({**_IDS, "downloadUrl": STRING, "statusUrl": STRING})
_STATUS = closed_object({"jobInfo": _CREATED, "result": _run_state("detail", one_of(["", "COMPLETED", "FAILED"]))})
_LISTED = closed_object(
    {
        "jobInfo": closed_object({**_IDS, "downloadUrl": STRING}, required=tuple(_IDS)),
        "result": _run_state("details", _NULL),
    }
)
_ZONE = closed_object(
    {"id": STRING, "name": STRING, "shortName": STRING, "offsetString": STRING, "offsetMillis": _INTEGER}
)
_TEAM = closed_object(
    {
        "uuid": STRING,
        "teamId": _NUMBER_OR_ID,
        "name": STRING,
        "description": _OPTIONAL,
        "numberOfMembers": _INTEGER,
    }
)
_VIEW = closed_object({"id": _NUMBER_OR_ID, "name": STRING, "description": _OPTIONAL})
_QUEUE = closed_object(
    {
        "id": _NUMBER_OR_ID,
        "uuid": STRING,
        "name": STRING,
        "description": _OPTIONAL,
        "archived": {"type": "boolean"},
    }
)
_FAILURE = closed_object({"status": constant("FAIL"), "request": _NULL, "message": STRING, "result": STRING})
_CARE_FAILURE = closed_object({"status": constant("fail"), "message": STRING})
# Statuses of the dialect's errors and of HTTP; the document omits 500, which only a defect causes.
_REFUSED = sorted({*ERRORS.values(), 405, 413} - {500})

_REPORT = ROOT + "/reports/report"
_JOB = "/{workflow_id}/{run_id:path}"  # a runId may have slashes: a path is matched after %2F is decoded
_COMPANY_KEY = Parameter(name="companyKey", location="query", schema=_KEY, required=True)
_OPTIONAL_COMPANY_KEY = Parameter(name="companyKey", location="query", schema=_KEY)
_LOCALE = Parameter(name="locale", location="query", schema=STRING)
_JOB_PARAMETERS = (
    Parameter(name="workflow_id", location="path", schema=_UUID, required=True),
    Parameter(name="run_id", location="path", schema=_RUN, required=True),
    _OPTIONAL_COMPANY_KEY,
    Parameter(name="analyticsAccessToken", location="query", schema=STRING),
)


def operations(catalogue: Catalogue) -> tuple[Operation, ...]:
    """A row for each operation. The report types are those of the catalogue."""
    published = [publication for (dialect, _), publication in catalogue.publications.items() if dialect == NAME]
    # An export of Publishing has an alias below marketing/.
    publishing = {alias.removeprefix("marketing/") for each in published for alias in each.aliases if "/" in alias}
    care = {each.slug for each in published} - publishing
    return (
        *_create("create", "Create a Care export.", "/{report_type}", sorted(care), doubled="/report/{report_type}"),
        *_create("create_publishing", "Create a Publishing export.", "/marketing/{report_type}", sorted(publishing)),
        *_JOB_OPERATIONS,
        *_LOOKUPS,
    )


def _create(
    name: str, summary: str, path: str, slugs: list[str], *, doubled: str | None = None
) -> tuple[Operation, ...]:
    """A create operation, by GET and by POST."""
    sent: Schema = {"type": "object", "properties": {name: schema for name, schema, _ in PARAMETERS}}
    return tuple(
        Operation(
            name=name,
            operation_id=f"{name}_{method.lower()}",
            method=method,
            path=_REPORT + path,
            undocumented_paths=() if doubled is None else (_REPORT + doubled,),
            summary=summary,
            security=("basic",),
            parameters=(
                Parameter(name="report_type", location="path", schema=one_of(slugs), required=True),
                _COMPANY_KEY,
                *(
                    Parameter(name=name, location="query", schema=schema, description=meaning)
                    for name, schema, meaning in PARAMETERS
                ),
            ),
            body={FORM: sent, JSON: sent} if method == "POST" else {},
            body_required=False,
            answers_head=False,
            answers=_answers(_CREATED, optional_headers={"X-Export-Ignored-Metrics": STRING}),
        )
        for method in ("GET", "POST")
    )


def _answers(result: Schema, optional_headers: Mapping[str, Schema] | None = None) -> dict[int, Answer]:
    """A success with ``result`` in the envelope, and the dialect's errors."""
    envelope = closed_object({"status": constant("PASS"), "request": _NULL, "message": _NULL, "result": result})
    content = {JSON: envelope, _TEXT: envelope}
    return {200: Answer(content=content, optional_headers=optional_headers or {}), **_refusals(_FAILURE)}


def _refusals(body: Schema) -> dict[int, Answer]:
    return {status: Answer(content={JSON: body}) for status in _REFUSED}


def _read(
    name: str,
    path: str,
    summary: str,
    answers: Mapping[int, Answer],
    *parameters: Parameter,
    undocumented: tuple[str, ...] = (),
) -> Operation:
    return Operation(
        name=name,
        operation_id=f"{name}_get",
        method="GET",
        path=path,
        undocumented_paths=undocumented,
        summary=summary,
        security=("basic",),
        parameters=parameters,
        answers=answers,
    )


def _care(body: Schema) -> dict[int, Answer]:
    """Answers of a Care lookup: no envelope, lower-case errors."""
    return {200: Answer(content={JSON: body}), **_refusals(_CARE_FAILURE)}


_FILE: dict[str, Schema] = {JSON: {}, "text/csv": {}}
# With download = "redirect" the answer is 307; with "direct", it is 200 and those of ranges and conditions.
_FILE_ANSWERS: dict[int, Answer] = {
    200: Answer(description="The file itself, if `download` is `direct`.", content=_FILE),
    206: Answer(description="The requested ranges of it.", content={**_FILE, "multipart/byteranges": {}}),
    304: Answer(description="The client has it."),
    412: Answer(content={JSON: _FAILURE}),
    416: Answer(content={JSON: _FAILURE}, headers={"content-range": STRING}),
    307: Answer(description="To a signed link that expires soon.", headers={"location": STRING}),
    **_refusals(_FAILURE),
}
_JOB_OPERATIONS = (
    _read(
        "status",
        _REPORT + _JOB + "/status",
        "Read the state of a job.",
        _answers({"anyOf": [_STATUS, array(_STATUS)]}),
        *_JOB_PARAMETERS,
        undocumented=(ROOT + "/report/reports" + _JOB + "/status",),
    ),
    _read("download", _REPORT + _JOB + "/download", "Download the file.", _FILE_ANSWERS, *_JOB_PARAMETERS),
    _read(
        "jobs",
        ROOT + "/reports/jobs",
        "List the jobs of the last hours.",
        _answers(array(_LISTED)),
        _OPTIONAL_COMPANY_KEY,
    ),
)
_LOOKUPS = (
    _read(
        "timezones", ROOT + "/config/timezones", "List the time zones.", _answers(array(_ZONE)), _COMPANY_KEY, _LOCALE
    ),
    _read("teams", ROOT + "/teams", "List the teams.", _answers(array(_TEAM)), _COMPANY_KEY),
    _read(
        "smart_views",
        CARE_ROOT + "/smartviews",
        "List the smart views.",
        _care(closed_object({"status": constant("success"), "data": array(_VIEW)})),
    ),
    _read(
        "work_queues",
        CARE_ROOT + "/workqueues/active",
        "List the active work queues.",
        _care(closed_object({"data": array(_QUEUE)})),
    ),
)
