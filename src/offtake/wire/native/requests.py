"""Decodes what clients ask for into an ``ExportRequest``, and collects all faults that need the report to be found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from offtake.catalogue.load import Catalogue
from offtake.core.auth.authorization import may_order, may_see_column
from offtake.errors import InvalidRequest, InvalidZone, ReversedTimespan
from offtake.formats import format_named
from offtake.model.column_filter import ColumnFilter, FilterOperator, operators, read_filter
from offtake.model.column_type import ColumnType
from offtake.model.report import Column, Report
from offtake.model.request import ExportRequest, ReportParameters, Split
from offtake.model.sort_column import sort_column
from offtake.model.tenant import Principal
from offtake.model.timespan import Timespan, zone, zone_names
from offtake.wire.native.faults import Fault, InvalidFields, fault, sentence, unknown
from offtake.wire.native.schema import ExportBody, ExportTimespan, FilterBody, ParametersBody, ReportQuery, SplitBody
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
    longest: timedelta | None  # that a timespan may be
    faults: list[Fault] = field(default_factory=list)


def decode_export(body: ExportBody, given: Decoding) -> ExportRequest:
    """Return the export request of a body. Raises InvalidFields with all its faults."""
    split = _split(body.split, given)
    _check_format(body, given)
    request = _decode(body, given, name=body.name, format_name=FORMATS[body.format])
    return replace(
        request,
        guard_formulas=body.guard_formulas,
        split=split,
        compression=body.compression,
        format_options=body.csv,
    )


def _check_format(body: ExportBody, given: Decoding) -> None:
    """Check that the format has the options of the body."""
    compressions = format_named(FORMATS[body.format]).compressions
    if body.compression is not None and body.compression not in compressions:
        accepted = tuple(each.value for each in compressions)
        message = f"The format {body.format} has no such compression."
        given.faults.append(Fault(keys=("compression",), message=message, accepted=accepted))
    if body.guard_formulas and body.format != "csv":
        given.faults.append(fault(f"This is for the format csv, and the format is {body.format}.", "guard_formulas"))
    if body.csv is not None and body.format != "csv":
        given.faults.append(fault(f"These options are for the format csv, and the format is {body.format}.", "csv"))


def decode_preview(body: ReportQuery, given: Decoding) -> ExportRequest:
    """Return the request of a preview. Raises InvalidFields with all its faults."""
    return _decode(body, given, name=None, format_name="json")


def _decode(body: ReportQuery, given: Decoding, *, name: str | None, format_name: str) -> ExportRequest:
    report = find_report(body.report, given.catalogue, given.principal)
    if report is None:
        given.faults.append(unknown("report", body.report, visible_reports(given.catalogue, given.principal), "report"))
    timespan = _timespan(body.timespan, given)
    if report is not None:
        _check_columns(body, report, given)
        _check_parameters(body.parameters, report, given)
        _check_order(body.order, report, given)
    filters = () if report is None else tuple(_filters(body.filters, report, given))
    if given.faults or report is None or timespan is None:
        if timespan is not None and given.longest is not None and timespan.length() > given.longest:
            # Alone, the core refuses it with a code of its own.
            given.faults.append(fault(f"The timespan is longer than {given.longest.days} days.", "timespan"))
        raise InvalidFields(given.faults)
    return ExportRequest(
        dialect=NAME,
        report=report.name,
        format=format_name,
        timespan=timespan,
        name=name or report.title,
        row_limit=given.row_limit,
        account_zone=given.account_zone,
        columns=_columns(body, report, given),
        filters=filters,
        order=tuple(body.order),
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


def column_names(report: Report, principal: Principal) -> list[str]:
    """Return the names of these columns."""
    return [column.name for column in visible_columns(report, principal)]


def _timespan(body: ExportTimespan, given: Decoding) -> Timespan | None:
    try:
        zone_name = zone(body.timezone).key
    except InvalidZone:
        given.faults.append(_unknown_zone(body.timezone))
        _bounds(body, "UTC", given)  # their form does not depend on the zone
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


def _columns(body: ReportQuery, report: Report, given: Decoding) -> tuple[str, ...]:
    """Return the columns of the file; none means all, which a caller that may not see all of them has to name."""
    visible = column_names(report, given.principal)
    return tuple(body.columns or (visible if len(visible) < len(report.columns) else ()))


def _check_columns(body: ReportQuery, report: Report, given: Decoding) -> None:
    known = column_names(report, given.principal)
    names = body.columns or []
    for index, name in enumerate(names):
        if name not in known:
            given.faults.append(unknown("column", name, known, "columns", index))
        elif name in names[:index]:
            given.faults.append(fault("This column is listed twice.", "columns", index))


def _filters(sent: Sequence[FilterBody], report: Report, given: Decoding) -> Iterator[ColumnFilter]:
    """Yield the filters that have no fault."""
    known = column_names(report, given.principal)
    types = {column.name: column.type for column in report.columns}
    for index, each in enumerate(sent):
        keys = ("filters", index)
        if each.column not in known:
            given.faults.append(unknown("column", each.column, known, *keys, "column"))
        elif each.op not in operators(types[each.column]):
            accepted = tuple(operators(types[each.column]))
            message = f"A column of the type {types[each.column]} has no such filter."
            given.faults.append(Fault(keys=(*keys, "op"), message=message, accepted=accepted))
        else:
            try:
                yield read_filter(report, each.column, each.op, _values(each), field=f"filters/{index}")
            except InvalidRequest as error:
                given.faults.extend(fault(sentence(found.description), *keys, "value") for found in error.fields)


def _values(each: FilterBody) -> list[object]:
    """Return the values of a filter; one that is sent alone is a list of one. Without any, is_null is true."""
    if each.value is None:
        return [True] if each.op is FilterOperator.IS_NULL else []
    return list(each.value) if isinstance(each.value, list) else [each.value]


def _check_order(order: Sequence[str], report: Report, given: Decoding) -> None:
    types = {column.name: column.type for column in visible_columns(report, given.principal)}
    names = [sort_column(text).name for text in order]
    for index, name in enumerate(names):
        if name not in types:
            given.faults.append(unknown("column", name, list(types), "order", index))
        elif types[name] is ColumnType.LIST:
            given.faults.append(fault("Rows cannot be sorted by a list.", "order", index))
        elif name in names[:index]:
            given.faults.append(fault("This column is listed twice.", "order", index))


def _split(body: SplitBody | None, given: Decoding) -> Split | None:
    if body is None:
        return None
    if (body.rows is None) == (body.bytes is None):
        given.faults.append(fault("Send either rows or bytes.", "split"))
        return None
    return Split(rows=body.rows, bytes=body.bytes)


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
