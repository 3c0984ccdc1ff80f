"""Decodes what clients ask for into an ``ExportRequest``, and collects all faults that need the report to be found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from offtake.catalogue.load import Catalogue
from offtake.core.auth.authorization import may_order, may_see_column
from offtake.errors import InvalidZone, ReversedTimespan
from offtake.model.report import Column, Report
from offtake.model.request import ExportRequest, ReportParameters
from offtake.model.tenant import Principal
from offtake.model.timespan import Timespan, zone, zone_names
from offtake.wire.native.errors import Fault, InvalidFields, fault, unknown
from offtake.wire.native.schema import ExportBody, ExportTimespan, ParametersBody, ReportQuery
from offtake.wire.native.tables import FORMATS, NAME
from offtake.wire.native.timespans import last_period, parse_bound

_EMAILS = frozenset({"agent_emails", "customer_emails"})  # stored in lower case
_LONGEST_LIST = 20  # zone names that a fault lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """What decoding needs besides the body."""

    catalogue: Catalogue
    principal: Principal
    now: datetime
    row_limit: int | None
    account_zone: str
    faults: list[Fault] = field(default_factory=list)


def decode_export(body: ExportBody, given: Decoding) -> ExportRequest:
    """Return the export request of a body. Raises InvalidFields with all its faults."""
    return _decode(body, given, name=body.name, format_name=FORMATS[body.format], guard_formulas=body.guard_formulas)


def decode_preview(body: ReportQuery, given: Decoding) -> ExportRequest:
    """Return the request of a preview. Raises InvalidFields with all its faults."""
    return _decode(body, given, name=None, format_name="json")


def _decode(
    body: ReportQuery, given: Decoding, *, name: str | None, format_name: str, guard_formulas: bool | None = None
) -> ExportRequest:
    report = find_report(body.report, given.catalogue, given.principal)
    if report is None:
        given.faults.append(unknown("report", body.report, visible_reports(given.catalogue, given.principal), "report"))
    timespan = _timespan(body.timespan, given)
    if report is not None:
        _check_columns(body, report, given)
        _check_parameters(body.parameters, report, given)
    if given.faults or report is None or timespan is None:
        raise InvalidFields(given.faults)
    return ExportRequest(
        dialect=NAME,
        report=report.name,
        format=format_name,
        timespan=timespan,
        name=name or report.title,
        row_limit=given.row_limit,
        account_zone=given.account_zone,
        columns=tuple(body.columns or ()),
        guard_formulas=guard_formulas,
        parameters=_parameters(body.parameters),
    )


def visible_reports(catalogue: Catalogue, principal: Principal) -> list[str]:
    """Return the names of the reports that the caller may export, in order."""
    return sorted(name for name, report in catalogue.reports.items() if may_order(principal, report))


def find_report(name: str, catalogue: Catalogue, principal: Principal) -> Report | None:
    """Return the report, if the caller may export it."""
    report = catalogue.reports.get(name)
    return report if report is not None and may_order(principal, report) else None


def visible_columns(report: Report, principal: Principal) -> list[Column]:
    """Return the columns that the caller may receive, in order."""
    return [column for column in report.columns if may_see_column(principal, column)]


def _timespan(body: ExportTimespan, given: Decoding) -> Timespan | None:
    try:
        zone_name = zone(body.timezone).key
    except InvalidZone:
        given.faults.append(_unknown_zone(body.timezone))
        return None
    bounds = _bounds(body, zone_name, given)
    if bounds is None:
        return None
    try:
        return Timespan(start=bounds[0], end=bounds[1], zone=zone_name)
    except ReversedTimespan:
        given.faults.append(fault("The end must be later than the start.", "timespan", "end"))
        return None


def _unknown_zone(sent: str) -> Fault:
    found = unknown("time zone", sent, zone_names(), "timespan", "timezone")
    region, slash, _ = sent.partition("/")
    in_region = [name for name in sorted(zone_names()) if slash and name.lower().startswith(f"{region.lower()}/")]
    listed = tuple(in_region) if len(in_region) <= _LONGEST_LIST else ()
    message = f"This is not an IANA time zone name such as Europe/Lisbon{_meant(found.nearest)}"
    return Fault(keys=found.keys, message=message, accepted=listed, nearest=found.nearest)


def _meant(nearest: str | None) -> str:
    return f"; did you mean {nearest!r}?" if nearest else "."


def _bounds(body: ExportTimespan, zone_name: str, given: Decoding) -> tuple[datetime, datetime] | None:
    """Return start and end in UTC, or None after a fault."""
    if body.last is not None:
        if body.start is not None or body.end is not None:
            given.faults.append(fault("Send either last, or start and end.", "timespan", "last"))
            return None
        try:
            return last_period(body.last, zone_name, given.now)
        except (ValueError, OverflowError):
            given.faults.append(fault("The period begins before the first year.", "timespan", "last"))
            return None
    start, end = (_bound(body, name, zone_name, given) for name in ("start", "end"))
    return None if start is None or end is None else (start, end)


def _bound(body: ExportTimespan, name: str, zone_name: str, given: Decoding) -> datetime | None:
    text = getattr(body, name)
    if text is None:
        given.faults.append(fault("This field is required, unless last is sent.", "timespan", name))
        return None
    try:
        return parse_bound(text, zone_name)
    except ValueError:
        message = "This is no instant such as 2026-11-01T00:00:00Z, and no local time such as 2026-11-01T00:00:00."
        given.faults.append(fault(message, "timespan", name))
        return None


def _check_columns(body: ReportQuery, report: Report, given: Decoding) -> None:
    known = [column.name for column in visible_columns(report, given.principal)]
    names = body.columns or []
    for index, name in enumerate(names):
        if name not in known:
            given.faults.append(unknown("column", name, known, "columns", index))
        elif name in names[:index]:
            given.faults.append(fault("This column is listed twice.", "columns", index))


def _check_parameters(body: ParametersBody, report: Report, given: Decoding) -> None:
    accepted = public_parameters(report)
    for name in sorted(body.model_dump(exclude_none=True)):
        if name not in accepted:
            message = "This report does not have the parameter; remove it."
            given.faults.append(Fault(keys=("parameters", name), message=message, accepted=tuple(accepted)))


def public_parameters(report: Report) -> list[str]:
    """Return the parameters of a report that clients may send. The others follow from the caller."""
    return [name for name in report.parameters if name in ParametersBody.model_fields]


def _parameters(body: ParametersBody) -> ReportParameters:
    values: dict[str, Any] = body.model_dump(exclude_none=True)
    return ReportParameters(**{name: _value(name, value) for name, value in values.items()})


def _value(name: str, value: Any) -> Any:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value
    return tuple(dict.fromkeys(each.lower() if name in _EMAILS else each for each in value))
