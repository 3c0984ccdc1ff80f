"""The dialect's operations, for the router and the OpenAPI document (docs/reference/sharing.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from offtake.wire.document import JSON, STRING, Answer, Operation, Parameter, Schema, array
from offtake.wire.sharing.tables import API, NDJSON, VERSION_HEADER

_SHARE = f"{API}/shares/{{share}}"
_SCHEMA = f"{_SHARE}/schemas/{{schema}}"
_TABLE = f"{_SCHEMA}/tables/{{table}}"
_ERROR: Schema = {
    "type": "object",
    "properties": {"errorCode": STRING, "message": STRING},
    "required": ["errorCode", "message"],
}
_LONG: Schema = {"type": "integer", "format": "int64", "minimum": 0}
_INSTANT: Schema = {"type": "string", "format": "date-time"}
_PAGES = (
    Parameter(name="maxResults", location="query", schema=_LONG, description="Most items of the page; at most 500."),
    Parameter(name="pageToken", location="query", schema=STRING, description="nextPageToken of the page before."),
)
_BODY: Schema = {
    "type": "object",
    "properties": {
        "predicateHints": {**array(STRING), "description": "Without effect: all files are returned."},
        "jsonPredicateHints": {**STRING, "description": "Without effect."},
        "limitHint": {**_LONG, "description": "As many of the first files are returned as have that many rows."},
        "version": {**_LONG, "description": "The version to read, instead of the newest one."},
        "timestamp": {**_INSTANT, "description": "Read the version that was the newest one at this instant."},
    },
}
_LINES = Answer(
    description="Protocol, metadata and files, each as a line of JSON.",
    content={NDJSON: {"type": "string"}},
    headers={VERSION_HEADER: _LONG},
)
_VERSION = Answer(description="The version is in the header.", headers={VERSION_HEADER: _LONG})


def _errors(*statuses: int) -> dict[int, Answer]:
    return {status: Answer(content={JSON: _ERROR}) for status in (401, 403, 429, 503, *statuses)}


def _object(**fields: Schema) -> Schema:
    return {"type": "object", "properties": fields}


def _page(item: Schema) -> dict[int, Answer]:
    return {200: Answer(content={JSON: _object(items=array(item), nextPageToken=STRING)})}


def _read(
    name: str, path: str, summary: str, answers: Mapping[int, Answer], query: Sequence[Parameter] = ()
) -> Operation:
    """An operation without a body."""
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    parameters = [Parameter(name=each, location="path", schema=STRING, required=True) for each in names]
    missing = (404,) if names else ()
    return Operation(
        name=name,
        method="GET",
        path=path,
        summary=summary,
        security=("token",),
        parameters=[*parameters, *query],
        answers={**_errors(400, *missing), **answers},
    )


def _text(name: str, schema: Any, description: str) -> Parameter:
    return Parameter(name=name, location="query", schema=schema, description=description)


_SHARE_ITEM = _object(name=STRING)
_SCHEMA_ITEM = _object(name=STRING, share=STRING)
_TABLE_ITEM = _object(name=STRING, schema=STRING, share=STRING, id=STRING)
_SINCE = _text("startingTimestamp", _INSTANT, "The first version that was published at this instant or later.")
_TIME_TRAVEL = (
    _text("version", _LONG, "The version, instead of the newest one."),
    _text("timestamp", _INSTANT, "The version that was the newest one at this instant."),
)
_HEAD = replace(_read("headTable", _TABLE, "Read the version, as older clients do.", {200: _VERSION}), method="HEAD")
_QUERY = _read("queryTable", f"{_TABLE}/query", "Read the files.", {200: _LINES})
OPERATIONS = (
    _read("listShares", f"{API}/shares", "List the shares.", _page(_SHARE_ITEM), _PAGES),
    _read("getShare", _SHARE, "Read a share.", {200: Answer(content={JSON: _object(share=_SHARE_ITEM)})}),
    _read("listSchemas", f"{_SHARE}/schemas", "List the schemas.", _page(_SCHEMA_ITEM), _PAGES),
    _read("listTables", f"{_SCHEMA}/tables", "List the tables.", _page(_TABLE_ITEM), _PAGES),
    _read("listAllTables", f"{_SHARE}/all-tables", "List all tables.", _page(_TABLE_ITEM), _PAGES),
    _read("getTableVersion", f"{_TABLE}/version", "Read the version.", {200: _VERSION}, (_SINCE,)),
    _HEAD,
    _read("getTableMetadata", f"{_TABLE}/metadata", "Read the metadata.", {200: _LINES}, _TIME_TRAVEL),
    replace(_QUERY, method="POST", body={JSON: _BODY}, body_required=False),
    _read("getTableChanges", f"{_TABLE}/changes", "Refused: shared tables record no changes.", {}),
)
