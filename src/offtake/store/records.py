"""Conversion between rows of the job table and ``Job`` values.

Two releases share the table during an upgrade. Fields that an older release did not write get their defaults. Fields of
a newer release that this one cannot read are listed in ``ExportRequest.unknown``: this release can read, cancel and
fail such a job, but does not run it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Row

from offtake.model.artifact import Artifact
from offtake.model.format_options import Compression, CsvOptions
from offtake.model.job import Failure, Job, Phase, Pin, Progress, Status
from offtake.model.notice import Notice, NoticeCode
from offtake.model.request import BusinessHours, ExportRequest, ReportParameters, Selection, Split, changed_parameters
from offtake.model.timespan import Timespan
from offtake.store.filter_records import filter_to_json, filters_from_json

_ROW_BYTES = 1_024  # measured on SQLite and PostgreSQL: 600 to 900, indexes included
_NO_PARAMETERS = ReportParameters()
_PHASES = frozenset(Phase)
_NOTICE_CODES = frozenset(NoticeCode)
_KNOWN = frozenset(
    {"start", "end", "zone", "name", "row_limit", "as_of", "watermark", "account_zone", "locale", "columns"}
    | {"guard_formulas", "parameters", "split", "filters", "order", "compression", "format_options"}
)
_PARAMETERS = frozenset(field.name for field in dataclasses.fields(ReportParameters))
_ENUMS: dict[str, type[StrEnum]] = {"business_hours": BusinessHours, "selection": Selection}


def request_to_json(request: ExportRequest) -> dict[str, Any]:
    """Return the stored form of a request."""
    stored: dict[str, Any] = {
        "start": request.timespan.start.isoformat(),
        "end": request.timespan.end.isoformat(),
        "zone": request.timespan.zone,
        "name": request.name,
        "row_limit": request.row_limit,
        "as_of": request.as_of.isoformat() if request.as_of else None,
        "watermark": request.watermark.isoformat() if request.watermark else None,
        "account_zone": request.account_zone,
        "locale": request.locale,
        "columns": list(request.columns),
        "parameters": changed_parameters(request.parameters),  # few, so that frequent reads of jobs stay cheap
    }
    if request.guard_formulas is not None:
        stored["guard_formulas"] = request.guard_formulas
    if request.split is not None:
        stored["split"] = {"rows": request.split.rows, "bytes": request.split.bytes}
    if request.filters:
        stored["filters"] = [filter_to_json(each) for each in request.filters]
    if request.order:
        stored["order"] = list(request.order)
    if request.compression is not None:
        stored["compression"] = request.compression
    if request.format_options is not None:
        stored["format_options"] = request.format_options.model_dump(exclude_defaults=True)
    return stored


def stored_bytes(request: dict[str, Any]) -> int:
    """Return the size of a job's record: the stored form of its request, and the rest of its row with its indexes."""
    return _ROW_BYTES + len(json.dumps(request))


def job_from_row(row: Row[Any]) -> Job:
    """Return the job of a row."""
    return Job(
        id=row.id,
        tenant=row.tenant,
        principal=row.principal,
        request=_request(row),
        status=Status(row.status),
        fence=row.fence,
        attempts=row.attempts,
        created_at=row.created_at,
        not_before=row.not_before,
        started_at=row.started_at,
        finished_at=row.finished_at,
        expires_at=row.expires_at,
        artifact=_artifact(row),
        failure=_failure(row),
        reference=row.reference,
        actor=row.actor,
        effective=row.effective,
        estimated_duration=timedelta(seconds=row.estimated_seconds),
        estimated_rows=row.estimated_rows,
        held_at=row.held_at,
        held_by=row.held_by,
        pin=_pin(row),
        progress=_progress(row),
        notices=notices_from_json(row.notices),
    )


def _request(row: Row[Any]) -> ExportRequest:
    """Return the request of a job's row; its ``unknown`` lists what this release cannot read."""
    stored = row.request
    timespan = Timespan(start=_instant(stored["start"]), end=_instant(stored["end"]), zone=stored["zone"])
    parameters, unreadable = _parameters_from_json(stored.get("parameters", {}))
    filters = filters_from_json(stored.get("filters", ()))
    compression, format_options, unreadable_formats = _format_from_json(stored)
    return ExportRequest(
        dialect=row.dialect,
        report=row.report,
        format=row.format,
        timespan=timespan,
        name=stored["name"],
        row_limit=stored["row_limit"],
        as_of=instant_from_json(stored["as_of"]),
        watermark=instant_from_json(stored.get("watermark")),
        account_zone=stored["account_zone"],
        locale=stored.get("locale"),
        columns=tuple(stored.get("columns", ())),
        guard_formulas=stored.get("guard_formulas"),
        filters=filters or (),
        order=tuple(stored.get("order", ())),
        compression=compression,
        format_options=format_options,
        parameters=parameters,
        split=Split(**stored["split"]) if stored.get("split") else None,
        unknown=(
            *sorted(stored.keys() - _KNOWN),
            *unreadable,
            *unreadable_formats,
            *(("filters",) if filters is None else ()),
        ),
    )


def _parameters_from_json(stored: dict[str, Any]) -> tuple[ReportParameters, tuple[str, ...]]:
    """Return the parameters and the names of unreadable ones."""
    if not stored:
        return _NO_PARAMETERS, ()
    unreadable = tuple(sorted(name for name, value in stored.items() if not _is_readable(name, value)))
    return ReportParameters(**{k: _value(k, v) for k, v in stored.items() if k not in unreadable}), unreadable


def _format_from_json(stored: dict[str, Any]) -> tuple[Compression | None, CsvOptions | None, tuple[str, ...]]:
    """Return the compression, the options of the format, and the names of those that are unreadable."""
    compression, options, unreadable = None, None, []
    if "compression" in stored:
        try:
            compression = Compression(stored["compression"])
        except ValueError:
            unreadable.append("compression")
    if "format_options" in stored:
        try:
            options = CsvOptions(**stored["format_options"])
        except ValidationError:
            unreadable.append("format_options")
    return compression, options, tuple(unreadable)


def _is_readable(name: str, value: Any) -> bool:
    return name in _PARAMETERS and (name not in _ENUMS or value in list(_ENUMS[name]))


def _value(name: str, value: Any) -> Any:
    if name in _ENUMS:
        return _ENUMS[name](value)
    return tuple(value) if isinstance(value, list) else value


def instant_from_json(text: str | None) -> datetime | None:
    """Return the stored instant in UTC."""
    return None if text is None else _instant(text)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _artifact(row: Row[Any]) -> Artifact | None:
    if row.artifact_key is None:
        return None
    return Artifact(key=row.artifact_key, rows=row.rows, bytes=row.bytes, sha256=row.sha256, files=row.files or 1)


def _pin(row: Row[Any]) -> Pin | None:
    if row.report_version is None:
        return None
    return Pin(report_version=row.report_version, lake_versions=row.lake_versions)


def notices_to_json(given: Sequence[Notice]) -> list[dict[str, Any]]:
    """Return the stored form of notices."""
    return [dataclasses.asdict(each) for each in given]


def notices_from_json(stored: Sequence[dict[str, Any]] | None) -> tuple[Notice, ...]:
    """Return stored notices, without those whose code only a newer release knows."""
    return tuple(
        Notice(**(each | {"code": NoticeCode(each["code"]), "columns": tuple(each["columns"])}))
        for each in stored or ()
        if each["code"] in _NOTICE_CODES
    )


def _progress(row: Row[Any]) -> Progress | None:
    """Return the progress; None for a phase of a newer release."""
    if row.phase not in _PHASES:
        return None
    return Progress(phase=Phase(row.phase), rows=row.rows_so_far or 0)


def _failure(row: Row[Any]) -> Failure | None:
    if row.failure_code is None:
        return None
    return Failure(code=row.failure_code, message=row.failure_message)
