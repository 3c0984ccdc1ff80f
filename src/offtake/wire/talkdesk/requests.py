"""Decodes create and list requests (Talkdesk contract 2.2 and 2.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from offtake.core.exports.read import Listing
from offtake.errors import FieldFault, InvalidRequest
from offtake.http.json_body import parse_json_object
from offtake.http.media_type import UnsupportedMedia, media_type
from offtake.model.report import Publication
from offtake.model.request import ExportRequest
from offtake.model.timespan import Timespan, resolve, zone
from offtake.wire.talkdesk.schema import DATETIME, DEFAULT_PAGE, LONGEST_PAGE, CreateBody
from offtake.wire.talkdesk.tables import DEFAULT_FORMAT, FORMATS, NAME

_INVALID = "Some input values are not valid."
# Every spelling of Talkdesk contract 2.2; a date without a time is refused. Digits beyond microseconds are cut.
_DATETIME = re.compile(DATETIME, re.ASCII)
_MEDIA = frozenset({"application/json", "text/json", "text/plain", "application/x-www-form-urlencoded"})
_WHOLE = re.compile(r"\d{1,18}", re.ASCII)
_NOT_A_DATETIME = "not a supported datetime; use 2026-03-01T00:00:00, with Z or an offset where it is no local time"


def refuse_other_media(request: Request) -> None:
    """Raise UnsupportedMedia for a content type other than JSON.

    Text and forms pass, because curl and some clients declare them for JSON; the body still has to be JSON.
    """
    media = media_type(request)
    if media and media not in _MEDIA and not media.endswith("+json"):
        raise UnsupportedMedia("The body is not JSON; send application/json.")


def decode_create(body: bytes, publication: Publication, *, row_limit: int | None, account_zone: str) -> ExportRequest:
    """The export request in a create body.

    Checks in the sequence of Talkdesk contract 2.2: shape and field formats, the zone, start before end.
    Raises InvalidRequest with all faulty fields, InvalidZone, ReversedTimespan.
    """
    sent = _parse(body)
    faults: list[FieldFault] = []
    start = _datetime(sent.timespan.start, "timespan[from]", faults)
    end = _datetime(sent.timespan.end, "timespan[to]", faults)
    format_name = FORMATS.get((sent.format or DEFAULT_FORMAT).lower())
    if format_name is None:
        faults.append(FieldFault("format", f"not one of {', '.join(FORMATS)}"))
    if faults or format_name is None or start is None or end is None:
        raise InvalidRequest(_INVALID, faults)
    zone_name = sent.timezone or sent.timespan.timezone or "UTC"
    zone(zone_name)
    return ExportRequest(
        dialect=NAME,
        report=publication.report,
        format=format_name,
        timespan=_timespan(start, end, zone_name),
        name=sent.name or publication.title,
        row_limit=row_limit,
        account_zone=account_zone,
        guard_formulas=sent.csv_guard_formulas,
    )


def decode_list(query: Mapping[str, str], publication: Publication) -> Listing:
    """The page that the query names. Raises InvalidRequest with all faulty parameters."""
    faults: list[FieldFault] = []
    page = _whole(query.get("page", "1"), "page", faults)
    per_page = _whole(query.get("per_page", str(DEFAULT_PAGE)), "per_page", faults, most=LONGEST_PAGE)
    if faults:
        raise InvalidRequest(_INVALID, faults)
    return Listing(dialect=NAME, report=publication.report, page=page, per_page=per_page)


def _whole(text: str, field: str, faults: list[FieldFault], *, most: int | None = None) -> int:
    """A whole number of at least 1; 0 with a fault."""
    number = int(text) if _WHOLE.fullmatch(text) else 0
    if number < 1 or (most is not None and number > most):
        faults.append(FieldFault(field, "not a whole number from 1" + (f" to {most}" if most else " on")))
    return number


def _parse(body: bytes) -> CreateBody:
    sent = parse_json_object(body)
    try:
        return CreateBody.model_validate(sent)
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False, include_context=False)
        raise InvalidRequest(_INVALID, [_fault(detail) for detail in _completed(details)]) from None


def _completed(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Report a timespan that is missing, or no object, as missing ``timespan[from]`` and ``timespan[to]``."""
    if any(detail["loc"] == ("timespan",) for detail in details):
        others = [detail for detail in details if detail["loc"] != ("timespan",)]
        missing: list[ErrorDetails] = [
            {"type": "missing", "loc": ("timespan", bound), "msg": "Field required", "input": None}
            for bound in ("from", "to")
        ]
        return others + missing
    return details


def _fault(detail: ErrorDetails) -> FieldFault:
    first, *rest = (str(segment) for segment in detail["loc"])
    name = first + "".join(f"[{segment}]" for segment in rest)  # bracket style: timespan[from]
    return FieldFault(name, "missing" if detail["type"] == "missing" else detail["msg"])


def _datetime(text: str, field: str, faults: list[FieldFault]) -> datetime | None:
    try:
        if _DATETIME.fullmatch(text):
            return datetime.fromisoformat(text.strip().upper())
    except ValueError:
        pass  # well-formed, but no such day or time exists
    faults.append(FieldFault(field, _NOT_A_DATETIME))
    return None


def _timespan(start: datetime, end: datetime, zone_name: str) -> Timespan:
    """The timespan; each bound is resolved on its own, because clients mix local and absolute datetimes."""
    try:
        timespan = Timespan(start=resolve(start, zone_name), end=resolve(end, zone_name), zone=zone_name)
        timespan.length()  # the core converts both bounds to the zone, which overflows at the ends of the calendar
    except OverflowError as error:
        fields = [FieldFault("timespan[from]", "out of range"), FieldFault("timespan[to]", "out of range")]
        raise InvalidRequest(_INVALID, fields) from error
    return timespan
