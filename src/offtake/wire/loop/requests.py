"""Decodes create and read requests (Loop contract 5, 6 and 13)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from offtake.errors import InvalidZone
from offtake.http.json_body import parse_json_object
from offtake.model.report import Publication
from offtake.model.request import ExportRequest, ReportParameters
from offtake.model.timespan import Timespan, zone
from offtake.wire.loop.errors import Fault, Refused, refuse
from offtake.wire.loop.settings import LoopSettings
from offtake.wire.loop.tables import DEFAULT_FORMAT, FORMATS, KEY_PATTERN, LISTS, LONGEST_ENTRY, NAME, TOO_LATE

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_KEY = re.compile(KEY_PATTERN)
_FORMATS = {word.lower(): name for word, name in FORMATS.items()}
Body = Mapping[str, Any]


def decode_create(body: bytes, publication: Publication, settings: LoopSettings, *, account_zone: str) -> ExportRequest:
    """The export request in a create body.

    Raises InvalidRequest for a body that is no JSON object, Refused with all faults by rules V1 to V12 of
    Loop contract 5.2.
    """
    sent = parse_json_object(body)
    faults: list[Fault] = []
    zone_name = _zone(sent, faults)
    timespan = _timespan(sent, zone_name or "UTC", settings, faults)
    format_name = _format(sent, faults)
    lists = {name: _list(sent, name, settings, faults, addresses=addresses) for name, addresses in LISTS.items()}
    if faults or timespan is None or format_name is None:
        raise Refused(faults)
    return ExportRequest(
        dialect=NAME,
        report=publication.report,
        format=format_name,
        timespan=timespan,
        name=publication.title,
        row_limit=settings.rows,
        account_zone=account_zone,
        parameters=ReportParameters(
            tag_ids=lists["tagIds"],
            inbox_ids=lists["teamIds"],  # teams are shared inboxes here
            agent_emails=lists["teammateIds"],
            customer_emails=lists["customerIds"],
        ),
    )


def decode_id(text: str) -> str:
    """The id of a job in a path: a UUID in any letter case. Raises Refused."""
    if not _UUID.fullmatch(text):
        raise refuse("InvalidExportId", "is not the id of an export", field="id")
    return text.lower()


def decode_key(header: str | None) -> str | None:
    """The idempotency key, if there is one (Loop contract 13). Raises Refused."""
    if header is not None and not _KEY.fullmatch(header):
        raise refuse("InvalidRequest", "must be 1 to 255 visible ASCII characters", field="Idempotency-Key")
    return header


def _timespan(sent: Body, zone_name: str, settings: LoopSettings, faults: list[Fault]) -> Timespan | None:
    """Loop contract 5.2, V2 to V6. Start and end are compared only if both are instants."""
    start, end = (_second(sent, name, faults) for name in ("start", "end"))
    if start is None or end is None:
        return None
    if end <= start:
        faults.append(Fault(rule=5, code="InvalidPeriod", field="end", text="must be later than 'start'"))
        return None
    bounds = (datetime.fromtimestamp(each, UTC) for each in (start, end))
    timespan = Timespan(start=next(bounds), end=next(bounds), zone=zone_name)
    if timespan.length() > timedelta(days=settings.longest_days):
        text = f"must be at most {settings.longest_days} days after 'start'"
        faults.append(Fault(rule=6, code="PeriodTooLong", field="end", text=text))
    return timespan


def _second(sent: Body, name: str, faults: list[Fault]) -> int | None:
    value = sent.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        text = "is required" if value is None else "must be a whole number of seconds since 1970"
        faults.append(Fault(rule=2, code="InvalidRequest", field=name, text=text))
    elif value < 0:
        faults.append(Fault(rule=3, code="InvalidPeriod", field=name, text="must not be negative"))
    elif value >= TOO_LATE:
        text = "must be in seconds since 1970, not in milliseconds"
        faults.append(Fault(rule=4, code="InvalidPeriod", field=name, text=text))
    else:
        return value
    return None


def _zone(sent: Body, faults: list[Fault]) -> str | None:
    """Loop contract 5.2, V8. A missing zone and an empty text mean UTC."""
    name = sent.get("timezone")
    try:
        if name is None or isinstance(name, str):
            return zone(name or "UTC").key
    except InvalidZone:
        pass
    text = "must be an IANA time zone name such as Europe/Lisbon"
    faults.append(Fault(rule=8, code="InvalidTimezone", field="timezone", text=text))
    return None


def _format(sent: Body, faults: list[Fault]) -> str | None:
    """Loop contract 5.2, V9. A missing format is the default; null is refused."""
    word = sent.get("resultFormat", DEFAULT_FORMAT)
    name = word.lower() if isinstance(word, str) else ""
    if name in _FORMATS:
        return _FORMATS[name]
    text = f"must be {' or '.join(FORMATS)}"
    faults.append(Fault(rule=9, code="InvalidResultFormat", field="resultFormat", text=text))
    return None


def _list(
    sent: Body, name: str, settings: LoopSettings, faults: list[Fault], *, addresses: bool
) -> tuple[str, ...] | None:
    """Loop contract 5.2, V10 to V13. An empty list is no filter (Loop contract 11)."""
    value = sent.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(each, str) and each.strip() for each in value):
        faults.append(_filter_fault(10, name, "must be a list of texts, none of them blank"))
        return None
    entries = dict.fromkeys(each.strip().lower() if addresses else each.strip() for each in value)
    if len(value) > settings.list_entries:
        faults.append(_filter_fault(11, name, f"may have at most {settings.list_entries} entries"))
    if any(len(each) > LONGEST_ENTRY for each in value):
        faults.append(_filter_fault(11, name, f"may have entries of at most {LONGEST_ENTRY} characters"))
    if addresses and not all("@" in each for each in entries):
        faults.append(_filter_fault(12, name, "must hold e-mail addresses"))
    return tuple(entries) or None


def _filter_fault(rule: int, name: str, text: str) -> Fault:
    return Fault(rule=rule, code="InvalidFilter", field=name, text=text)
