"""From bytes to an export request, and from a job to its document (sections 2.2 and 2.3)."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from offtake.errors import FieldFault, InvalidRequest
from offtake.model.job import Job
from offtake.model.report import Publication
from offtake.model.request import ExportRequest
from offtake.model.timespan import Timespan, resolve, zone
from offtake.wire.talkdesk.schema import CreateBody
from offtake.wire.talkdesk.tables import DEFAULT_FORMAT, FORMAT_WORDS, FORMATS, NAME, STATUS

_INVALID = "Some input values are not valid."
# Every spelling of section 2.2; a date alone is refused. Digits beyond microseconds are cut.
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})?", re.ASCII)
_NOT_A_DATETIME = "not a supported datetime; use 2026-03-01T00:00:00, with Z or an offset where it is no local time"


def decode_create(body: bytes, publication: Publication, *, row_limit: int | None, account_zone: str) -> ExportRequest:
    """The export request in a create body.

    In the order of section 2.2: shape and field formats, then the zone, then the order of the bounds.
    Raises InvalidRequest with all faulty fields, InvalidZone, ReversedTimespan.
    """
    sent = _parse(body)
    faults: list[FieldFault] = []
    start = _datetime(sent.timespan.start, "timespan[from]", faults)
    end = _datetime(sent.timespan.end, "timespan[to]", faults)
    kind = FORMATS.get((sent.format or DEFAULT_FORMAT).lower())
    if kind is None:
        faults.append(FieldFault("format", f"not one of {', '.join(FORMATS)}"))
    if faults or kind is None or start is None or end is None:
        raise InvalidRequest(_INVALID, faults)
    zone_name = sent.timezone or sent.timespan.timezone or "UTC"
    zone(zone_name)
    return ExportRequest(
        dialect=NAME,
        report=publication.report,
        format=kind,
        timespan=_timespan(start, end, zone_name),
        name=sent.name or publication.title,
        row_limit=row_limit,
        account_zone=account_zone,
    )


def encode_job(job: Job, publication: Publication) -> dict[str, Any]:
    """The job's fields; the caller adds links."""
    request = job.request
    return {
        "id": job.id,
        "name": request.name,
        "type": publication.slug,
        "status": STATUS[job.status],
        "timezone": request.timespan.zone,
        "format": FORMAT_WORDS[request.format],
        "timespan": {"from": _rfc3339(request.timespan.start), "to": _rfc3339(request.timespan.end)},
        "created_at": f"{job.created_at:%Y-%m-%dT%H:%M:%S}",  # naive, UTC, as seen in a live response
    }


def _parse(body: bytes) -> CreateBody:
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not JSON.") from error
    if not isinstance(sent, dict):
        raise InvalidRequest("The body is not a JSON object.")
    try:
        return CreateBody.model_validate(sent)
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False, include_context=False)
        raise InvalidRequest(_INVALID, [_fault(detail) for detail in _completed(details)]) from None


def _completed(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """A missing timespan is a missing ``timespan[from]`` and a missing ``timespan[to]``."""
    if any(detail["loc"] == ("timespan",) and detail["type"] == "missing" for detail in details):
        others = [detail for detail in details if detail["loc"] != ("timespan",)]
        missing: list[ErrorDetails] = [
            {"type": "missing", "loc": ("timespan", bound), "msg": "Field required", "input": None}
            for bound in ("from", "to")
        ]
        return others + missing
    return details


def _fault(detail: ErrorDetails) -> FieldFault:
    first, *rest = (str(part) for part in detail["loc"])
    name = first + "".join(f"[{part}]" for part in rest)  # bracket style: timespan[from]
    return FieldFault(name, "missing" if detail["type"] == "missing" else detail["msg"])


def _datetime(text: str, field: str, faults: list[FieldFault]) -> datetime | None:
    try:
        if _DATETIME.fullmatch(text.strip()):
            return datetime.fromisoformat(text.strip().upper())
    except ValueError:
        pass  # looks like one, but there is no such day or time
    faults.append(FieldFault(field, _NOT_A_DATETIME))
    return None


def _timespan(start: datetime, end: datetime, zone_name: str) -> Timespan:
    """Each bound is resolved by itself: clients mix naive and absolute ones in one request."""
    try:
        timespan = Timespan(start=resolve(start, zone_name), end=resolve(end, zone_name), zone=zone_name)
        timespan.length()  # the core reads both bounds on the zone's clocks; at the calendar's ends there is no reading
    except OverflowError as error:
        fields = [FieldFault("timespan[from]", "out of range"), FieldFault("timespan[to]", "out of range")]
        raise InvalidRequest(_INVALID, fields) from error
    return timespan


def _rfc3339(instant: datetime) -> str:
    """With Z, because a client decodes list items into time values; microseconds only where there are any."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
