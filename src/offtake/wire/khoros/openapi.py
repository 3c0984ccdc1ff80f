"""The dialect's OpenAPI document, made from its tables and the catalogue.

Spellings that are only tolerated (the doubled and the swapped segments of Khoros contract 1.3) are served and not
described.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from offtake import __version__
from offtake.catalogue.load import Catalogue
from offtake.wire.khoros.errors import ERRORS
from offtake.wire.khoros.tables import CARE_ROOT, DEFAULT_FORMAT, FORMATS, LANGUAGES, NAME, ROOT, SELECTIONS

_JSON, _TEXT, _FORM = "application/json", "text/plain", "application/x-www-form-urlencoded"
_STRING: dict[str, Any] = {"type": "string"}
_NULL: dict[str, Any] = {"type": "null"}
_NUMBER_OR_ID: dict[str, Any] = {"type": ["integer", "string"]}
_OPTIONAL: dict[str, Any] = {"type": ["string", "null"]}
_MILLISECONDS: dict[str, Any] = {"type": "string", "pattern": "^[0-9]{1,15}$"}
_FLAG: dict[str, Any] = {"type": "string", "enum": ["true", "false"]}
_UUID: dict[str, Any] = {"type": "string", "format": "uuid"}
_RUN: dict[str, Any] = {"type": "string", "pattern": "^23[A-Za-z0-9+/]{43}=$"}
_KEY: dict[str, Any] = {"type": "string", "minLength": 1}

# Khoros contract 1.5: name, schema, meaning. Which of them an export obeys, its page among the reports says.
PARAMETERS: tuple[tuple[str, Mapping[str, Any], str], ...] = (
    ("startTime", _MILLISECONDS, "Start of the timespan: milliseconds since 1970. Required, here or in the body."),
    ("endTime", _MILLISECONDS, "End of the timespan: milliseconds since 1970. Required, here or in the body."),
    ("reportFormat", _STRING, f"One of {', '.join(FORMATS)}, in any letter case; {DEFAULT_FORMAT} by default."),
    ("locale", _STRING, f"One of {', '.join(LANGUAGES)}, with or without a region."),
    ("timezone", _STRING, "An IANA time zone, for the formatting of dates."),
    ("timezoneOffset", _STRING, "A fixed offset in milliseconds, for the formatting of dates."),
    ("reportMetrics", _STRING, "Ids of columns, in order; repeatable."),
    ("priorities", _STRING, "Some of 0,1,2,3,4,5."),
    ("smartViewId", _STRING, "One smart view."),
    ("workqueueIds", _STRING, "Work queues."),
    ("enableBusinessHour", _FLAG, "Whether business hours are looked at."),
    ("businessHourType", _FLAG, "Inside business hours, or outside."),
    ("conversationReportType", {"type": "string", "enum": list(SELECTIONS)}, "Which conversations."),
    ("includeDisabled", _FLAG, "Agents that are disabled as well."),
    ("teamIds", _STRING, "Teams."),
    ("teamId", _STRING, "Teams; repeatable."),
    ("agentId", _STRING, "Agents; repeatable."),
    ("campaignId", _STRING, "Campaigns; repeatable."),
    ("timeInterval", _MILLISECONDS, "Length of a bucket."),
    ("raiselimit", _FLAG, "More actions of each conversation."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operation:
    """One call: what is in ``result``, or the whole body where there is no envelope."""

    path: str
    methods: tuple[str, ...] = ("get",)
    name: str
    summary: str
    result: Mapping[str, Any]
    care: bool = False  # of the Care instance: no envelope, lower-case errors


def document(catalogue: Catalogue, public_url: str | None) -> dict[str, Any]:
    """The document, in OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in _OPERATIONS:
        for method in operation.methods:
            paths.setdefault(operation.path, {})[method] = _described(operation, method, catalogue)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Offtake: Khoros Care analytics reports",
            "version": __version__,
            "description": "Order an export, poll its status, follow the redirect to its file.",
        },
        "servers": [{"url": public_url or "/"}],
        "paths": paths,
        "components": {"securitySchemes": {"basic": {"type": "http", "scheme": "basic"}}},
    }


def _described(operation: _Operation, method: str, catalogue: Catalogue) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": f"{operation.name}_{method}",
        "summary": operation.summary,
        "security": [{"basic": []}],
        "parameters": list(_parameters(operation, catalogue)),
        "responses": {"200": _answer(operation), **_refusals(operation)},
    }
    if operation.name == "download":
        location = {"location": {"required": True, "schema": _STRING}}
        described["responses"]["307"] = {"description": "To a signed link that lives shortly.", "headers": location}
    if method == "post":
        sent = {"type": "object", "properties": {name: schema for name, schema, _ in PARAMETERS}}
        described["requestBody"] = {"content": {_FORM: {"schema": sent}, _JSON: {"schema": sent}}}
    return described


def _parameters(operation: _Operation, catalogue: Catalogue) -> Iterable[dict[str, Any]]:
    if "{report_type}" in operation.path:
        yield _parameter("report_type", "path", {"type": "string", "enum": _slugs(operation, catalogue)})
    if "{run_id}" in operation.path:
        yield _parameter("workflow_id", "path", _UUID)
        yield _parameter("run_id", "path", _RUN)
        yield _parameter("companyKey", "query", _KEY, required=False)
        yield _parameter("analyticsAccessToken", "query", _STRING, required=False)
    elif not operation.care:
        yield _parameter("companyKey", "query", _KEY, required=operation.name != "jobs")
    if operation.name == "timezones":
        yield _parameter("locale", "query", _STRING, required=False)
    if "{report_type}" in operation.path:
        for name, schema, meaning in PARAMETERS:
            yield _parameter(name, "query", schema, required=False) | {"description": meaning}


def _slugs(operation: _Operation, catalogue: Catalogue) -> list[str]:
    """The exports below that path; those of Publishing have an alias that says so."""
    ours = [publication for (dialect, _), publication in catalogue.publications.items() if dialect == NAME]
    publishing = {alias.removeprefix("marketing/") for each in ours for alias in each.aliases if "/" in alias}
    if operation.name == "create_publishing":
        return sorted(publishing)
    return sorted({each.slug for each in ours} - publishing)


def _parameter(name: str, place: str, schema: Mapping[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": dict(schema)}


def _answer(operation: _Operation) -> dict[str, Any]:
    if operation.care:
        return {"description": "OK", "content": {_JSON: {"schema": operation.result}}}
    if operation.name == "download":
        content: dict[str, Any] = {kind: {"schema": {}} for kind in (_JSON, "text/csv")}
        return {"description": "The file itself, where a setting wants it.", "content": content}
    envelope = _object(status={"const": "PASS"}, request=_NULL, message=_NULL, result=operation.result)
    return {"description": "OK", "content": {kind: {"schema": envelope} for kind in (_JSON, _TEXT)}}


def _refusals(operation: _Operation) -> dict[str, Any]:
    """Every status that an error of the dialect may have, and those of HTTP itself."""
    failure = _object(status={"const": "FAIL"}, request=_NULL, message=_STRING, result=_STRING)
    schema = _object(status={"const": "fail"}, message=_STRING) if operation.care else failure
    statuses = sorted({*ERRORS.values(), HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE} - {500})
    return {
        str(int(status)): {"description": HTTPStatus(status).phrase, "content": {_JSON: {"schema": schema}}}
        for status in statuses
    }


def _object(**fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _list(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _run(detail: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    counts = dict.fromkeys(("reason", "currentCount", "totalCount", "lastAcknowledgeTime"), _NULL)
    return _object(runnerState={"enum": ["RUNNING", "CLOSED"]}, **{detail: schema}, **counts)


_IDS: dict[str, Any] = {"workflowId": _UUID, "runId": _RUN}
_CREATED = _object(**_IDS, downloadUrl=_STRING, statusUrl=_STRING)
_STATUS = _object(jobInfo=_CREATED, result=_run("detail", {"enum": ["", "COMPLETED", "FAILED"]}))
_LISTED = _object(jobInfo=_object(**_IDS), result=_run("details", _NULL))
_LISTED["properties"]["jobInfo"]["properties"]["downloadUrl"] = _STRING
_ZONE = _object(id=_STRING, name=_STRING, shortName=_STRING, offsetString=_STRING, offsetMillis={"type": "integer"})
_TEAM = _object(
    uuid=_STRING, teamId=_NUMBER_OR_ID, name=_STRING, description=_OPTIONAL, numberOfMembers={"type": "integer"}
)
_VIEW = _object(id=_NUMBER_OR_ID, name=_STRING, description=_OPTIONAL)
_QUEUE = _object(id=_NUMBER_OR_ID, uuid=_STRING, name=_STRING, description=_OPTIONAL, archived={"type": "boolean"})
_REPORT = ROOT + "/reports/report"
_JOB = _REPORT + "/{workflow_id}/{run_id}"
_ORDER = ("get", "post")

_OPERATIONS = (
    _Operation(
        path=_REPORT + "/{report_type}",
        methods=_ORDER,
        name="create",
        summary="Order a Care export.",
        result=_CREATED,
    ),
    _Operation(
        path=_REPORT + "/marketing/{report_type}",
        methods=_ORDER,
        name="create_publishing",
        summary="Order a Publishing export.",
        result=_CREATED,
    ),
    _Operation(
        path=_JOB + "/status",
        name="status",
        summary="How a job stands.",
        result={"anyOf": [_STATUS, _list(_STATUS)]},
    ),
    _Operation(path=_JOB + "/download", name="download", summary="The file.", result={}),
    _Operation(path=ROOT + "/reports/jobs", name="jobs", summary="Jobs of the last hours.", result=_list(_LISTED)),
    _Operation(path=ROOT + "/config/timezones", name="timezones", summary="Time zones.", result=_list(_ZONE)),
    _Operation(path=ROOT + "/teams", name="teams", summary="Teams.", result=_list(_TEAM)),
    _Operation(
        path=CARE_ROOT + "/smartviews",
        name="smart_views",
        summary="Smart views.",
        result=_object(status={"const": "success"}, data=_list(_VIEW)),
        care=True,
    ),
    _Operation(
        path=CARE_ROOT + "/workqueues/active",
        name="work_queues",
        summary="Work queues in use.",
        result=_object(data=_list(_QUEUE)),
        care=True,
    ),
)
