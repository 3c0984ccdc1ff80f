"""Encodes lists, and versions of tables as lines of JSON: in the response format parquet or delta."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from offtake.core.sharing.read import OpenVersion
from offtake.model.artifact import ArtifactFile
from offtake.model.column_type import ColumnType
from offtake.model.manifest import ManifestColumn
from offtake.model.shared_table import SharedTable, SharedVersion
from offtake.wire.sharing.auth import SharingCall
from offtake.wire.sharing.tables import CAPABILITIES_HEADER, NDJSON, VERSION_HEADER

Line = Mapping[str, Any]
_FORMAT = {"provider": "parquet"}
_TYPES: Mapping[ColumnType, Any] = {
    ColumnType.TEXT: "string",
    ColumnType.ID: "string",
    ColumnType.INTEGER: "long",
    ColumnType.SECONDS: "long",
    ColumnType.MILLISECONDS: "long",
    ColumnType.DECIMAL: "double",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.INSTANT: "timestamp",
    ColumnType.DATE: "date",
    ColumnType.LIST: {"type": "array", "elementType": "string", "containsNull": True},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedFile:
    """A file of a version with a URL that works until ``expires``."""

    file: ArtifactFile
    url: str
    expires: datetime


def encode_items(items: Sequence[Mapping[str, str]], next_token: str | None) -> Response:
    """A page of a list."""
    token = {} if next_token is None else {"nextPageToken": next_token}
    return JSONResponse({"items": items, **token}, media_type="application/json; charset=utf-8")


def encode_table(table: SharedTable) -> dict[str, str]:
    """A table, as lists show it."""
    name = table.name
    return {"name": name.table, "schema": name.schema, "share": name.share, "id": table.id}


def encode_version(version: SharedVersion) -> Response:
    """The number of a version, in a header."""
    return Response(headers={VERSION_HEADER: str(version.number)})


def encode_opened(call: SharingCall, opened: OpenVersion, files: Sequence[LinkedFile], *, is_pinned: bool) -> Response:
    """Protocol and metadata of a version, and its files. ``is_pinned``: whether the client chose the version."""
    is_delta = _wants_delta(call)
    table = (_delta_table if is_delta else _parquet_table)(opened)
    if is_pinned:
        table[1]["metaData"]["version"] = opened.version.number
    encode = _delta_file if is_delta else _parquet_file
    lines = [*table, *({"file": encode(opened, each, is_pinned=is_pinned)} for each in files)]
    content = "".join(f"{_compact(line)}\n" for line in lines)
    headers = {
        VERSION_HEADER: str(opened.version.number),
        CAPABILITIES_HEADER: f"responseformat={'delta' if is_delta else 'parquet'}",
        "cache-control": "private, no-store",
    }
    return Response(content, headers=headers, media_type=f"{NDJSON}; charset=utf-8")


def _wants_delta(call: SharingCall) -> bool:
    """Whether the client reads the format delta only; one that reads both gets parquet, as one that names none."""
    capabilities = call.request.headers.get(CAPABILITIES_HEADER, "").lower().replace(" ", "")
    named = [
        each.partition("=")[2].split(",") for each in capabilities.split(";") if each.startswith("responseformat=")
    ]
    return bool(named) and "parquet" not in named[0] and "delta" in named[0]


def _parquet_table(opened: OpenVersion) -> tuple[dict[str, Any], dict[str, Any]]:
    metadata = {
        **_identity(opened),
        "format": _FORMAT,
        "schemaString": schema_string(opened.manifest.columns, opened.decimals),
        "partitionColumns": [],
        "configuration": {},
        **_size(opened),
    }
    return {"protocol": {"minReaderVersion": 1}}, {"metaData": metadata}


def _delta_table(opened: OpenVersion) -> tuple[dict[str, Any], dict[str, Any]]:
    metadata = {
        **_identity(opened),
        "format": {**_FORMAT, "options": {}},
        "schemaString": schema_string(opened.manifest.columns, opened.decimals),
        "partitionColumns": [],
        "configuration": {},
        "createdTime": _milliseconds(opened.table.created_at),
    }
    protocol = {"deltaProtocol": {"minReaderVersion": 1, "minWriterVersion": 2}}
    return {"protocol": protocol}, {"metaData": {"deltaMetadata": metadata, **_size(opened)}}


def _identity(opened: OpenVersion) -> dict[str, Any]:
    return {"id": opened.table.id, "name": opened.table.name.table}


def _size(opened: OpenVersion) -> dict[str, Any]:
    totals = opened.manifest.artifact
    return {"size": totals.bytes, "numFiles": totals.files}


def _parquet_file(opened: OpenVersion, each: LinkedFile, *, is_pinned: bool) -> dict[str, Any]:
    line = {
        "url": each.url,
        "id": _file_id(opened, each),
        "partitionValues": {},
        "size": each.file.bytes,
        "stats": _stats(each),
        "expirationTimestamp": _milliseconds(each.expires),
    }
    return line | (_pinned(opened) if is_pinned else {})


def _delta_file(opened: OpenVersion, each: LinkedFile, *, is_pinned: bool) -> dict[str, Any]:
    add = {
        "path": each.url,
        "partitionValues": {},
        "size": each.file.bytes,
        "modificationTime": _milliseconds(opened.version.published_at),
        "dataChange": True,
        "stats": _stats(each),
    }
    line = {
        "id": _file_id(opened, each),
        "deltaSingleAction": {"add": add},
        "expirationTimestamp": _milliseconds(each.expires),
    }
    return line | (_pinned(opened) if is_pinned else {})


def _pinned(opened: OpenVersion) -> dict[str, Any]:
    return {"version": opened.version.number, "timestamp": _milliseconds(opened.version.published_at)}


def _file_id(opened: OpenVersion, each: LinkedFile) -> str:
    return f"{opened.job.id}-{each.file.number}"


def _stats(each: LinkedFile) -> str:
    return _compact({"numRecords": each.file.rows})


def schema_string(columns: Sequence[ManifestColumn], decimals: Mapping[str, tuple[int, int]]) -> str:
    """The columns of the files in Spark's JSON. Every column of a file may be null."""
    fields = [
        {
            "name": column.name,
            "type": _exact(*decimals[column.name]) if column.name in decimals else _TYPES[ColumnType(column.type)],
            "nullable": True,
            "metadata": {"comment": column.meaning},
        }
        for column in columns
    ]
    return _compact({"type": "struct", "fields": fields})


def _exact(precision: int, scale: int) -> str:
    return f"decimal({precision},{scale})"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
