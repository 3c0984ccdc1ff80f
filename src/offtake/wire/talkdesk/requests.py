"""From bytes to an export request, and from jobs to their documents (Talkdesk contract 2.2, 2.3 and 2.5)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from offtake.core.exports.read import JobPage, Listing
from offtake.errors import FieldFault, InvalidRequest
from offtake.http.middleware import UnsupportedMedia
from offtake.model.job import Job
from offtake.model.report import Publication
from offtake.model.request import ExportRequest
from offtake.model.timespan import Timespan, resolve, zone
from offtake.wire.talkdesk.schema import (
    DATETIME,
    DEFAULT_PAGE,
    LONGEST_PAGE,
    CreateBody,
    CreatedDocument,
    Href,
    JobDocument,
    JobFields,
    JobLinks,
    JobList,
    ListedJob,
    PageLinks,
)
from offtake.wire.talkdesk.tables import DEFAULT_FORMAT, FORMAT_WORDS, FORMATS, NAME, STATUS

Absolute = Callable[[str], str]  # the absolute URL of a path of ours
_INVALID = "Some input values are not valid."
# Every spelling of Talkdesk contract 2.2; a date alone is refused. Digits beyond microseconds are cut.
_DATETIME = re.compile(DATETIME, re.ASCII)
_MEDIA = frozenset({"application/json", "text/json", "text/plain", "application/x-www-form-urlencoded"})
_WHOLE = re.compile(r"\d{1,18}", re.ASCII)
_NOT_A_DATETIME = "not a supported datetime; use 2026-03-01T00:00:00, with Z or an offset where it is no local time"


def refuse_other_media(content_type: str | None) -> None:
    """Raise UnsupportedMedia for a body that says it is something else than JSON.

    Text and forms pass, because curl and careless clients call their JSON that (it still has to be JSON).
    """
    media = (content_type or "").partition(";")[0].strip().lower()
    if media and media not in _MEDIA and not media.endswith("+json"):
        raise UnsupportedMedia("The body is not JSON; send application/json.")


def decode_create(body: bytes, publication: Publication, *, row_limit: int | None, account_zone: str) -> ExportRequest:
    """The export request in a create body.

    In the order of Talkdesk contract 2.2: shape and field formats, then the zone, then the order of the bounds.
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


def decode_list(query: Mapping[str, str], publication: Publication) -> Listing:
    """The page asked for. Raises InvalidRequest with all faulty parameters."""
    faults: list[FieldFault] = []
    page = _whole(query.get("page", "1"), "page", faults)
    per_page = _whole(query.get("per_page", str(DEFAULT_PAGE)), "per_page", faults, most=LONGEST_PAGE)
    if faults:
        raise InvalidRequest(_INVALID, faults)
    return Listing(dialect=NAME, report=publication.report, page=page, per_page=per_page)


def encode_job(job: Job, publication: Publication, absolute: Absolute) -> JobDocument:
    """The job as a status call shows it."""
    return {"job": _fields(job, publication), "_links": _job_links(job, publication, absolute)}


def encode_created(job: Job, publication: Publication, absolute: Absolute) -> CreatedDocument:
    """The job as the answer to its creation shows it: under ``job``, where every client looks, and flat, as the
    vendor's page has it."""
    fields = _fields(job, publication)
    return {**fields, "job": fields, "_links": _job_links(job, publication, absolute)}


def encode_list(found: JobPage, asked: Listing, publication: Publication, absolute: Absolute) -> JobList:
    """A page of jobs."""
    items: list[ListedJob] = [
        {**_fields(job, publication), "_links": _job_links(job, publication, absolute)} for job in found.jobs
    ]

    def page(number: int) -> Href:
        return {"href": absolute(f"{_root(publication)}/jobs?page={number}&per_page={asked.per_page}")}

    links: PageLinks = {"self": page(asked.page)}
    if asked.page * asked.per_page < found.total:
        links["next"] = page(asked.page + 1)
    if asked.page > 1:
        links["prev"] = page(asked.page - 1)
    return {"total": found.total, "count": len(items), "_embedded": {"jobs": items}, "_links": links}


def _fields(job: Job, publication: Publication) -> JobFields:
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


def _job_links(job: Job, publication: Publication, absolute: Absolute) -> JobLinks:
    root = _root(publication)
    return {
        "self": {"href": absolute(f"{root}/jobs/{job.id}")},
        "files": {"href": absolute(f"{root}/files/{job.id}")},
    }


def _root(publication: Publication) -> str:
    """Under the report's own slug, whichever alias was asked for."""
    return f"/data/reports/{publication.slug}"


def _whole(text: str, field: str, faults: list[FieldFault], *, most: int | None = None) -> int:
    """A whole number from 1 on."""
    number = int(text) if _WHOLE.fullmatch(text) else 0
    if number < 1 or (most is not None and number > most):
        faults.append(FieldFault(field, "not a whole number from 1" + (f" to {most}" if most else " on")))
    return number


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
    """A timespan that is missing, or no object, is a missing ``timespan[from]`` and a missing ``timespan[to]``."""
    if any(detail["loc"] == ("timespan",) for detail in details):
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
        if _DATETIME.fullmatch(text):
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
