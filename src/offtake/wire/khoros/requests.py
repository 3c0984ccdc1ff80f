"""From parameters to an export request (Khoros contract 1.4, 1.5 and 5)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from offtake.errors import FieldFault, InvalidRequest, ReversedTimespan, TimespanTooLong
from offtake.model.report import Publication, Report
from offtake.model.request import BusinessHours, ExportRequest, ReportParameters
from offtake.model.tenant import Tenant
from offtake.model.timespan import Timespan, fixed_zone, zone
from offtake.wire.khoros.interval import check_interval
from offtake.wire.khoros.parameters import SentParameters
from offtake.wire.khoros.settings import KhorosSettings
from offtake.wire.khoros.tables import DEFAULT_FORMAT, FORMATS, LANGUAGES, NAME, PRIORITIES, SELECTIONS, UNBOUNDED

_INVALID = "Some parameters are missing or not valid."
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST = datetime(9999, 12, 30, tzinfo=UTC)  # later there is a zone in which it is the year 10000
_LONGEST_NAME, _MOST_NAMES = 64, 10  # of unknown columns, as they are repeated to whoever sent them
_NOT_A_NUMBER = "not a whole number of milliseconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeContext:
    """What an order is decoded with: what is ordered, for whom, under which options, and when."""

    publication: Publication
    report: Report
    tenant: Tenant
    settings: KhorosSettings
    now: datetime


def decode_create(sent: SentParameters, ordering: DecodeContext) -> ExportRequest:
    """The export request in the parameters of a create call.

    Raises InvalidRequest with all faulty parameters, then InvalidZone, ReversedTimespan, TimespanTooLong,
    TooManyBuckets.
    """
    faults: list[FieldFault] = []
    start = _instant(sent, "startTime", faults)
    end = _instant(sent, "endTime", faults)
    format_ = FORMATS.get((sent.one("reportFormat") or DEFAULT_FORMAT).lower())
    if format_ is None:
        faults.append(FieldFault("reportFormat", f"not one of {', '.join(FORMATS)}"))
    zone_name = _zone(sent, ordering, faults)
    columns = _columns(sent, ordering, format_, faults)
    parameters = _ParameterDecoder(sent, ordering, faults).decode()
    if faults or start is None or end is None or format_ is None:
        raise InvalidRequest(_INVALID, faults)
    _check(start, end, ordering)
    if "interval_milliseconds" in ordering.report.parameters:
        check_interval(parameters.interval_milliseconds, end - start, tiers=ordering.settings.interval_tiers)
    return ExportRequest(
        dialect=NAME,
        report=ordering.report.name,
        format=format_,
        timespan=_timespan(start, end, zone_name, ordering.settings),
        name=ordering.publication.title,
        row_limit=ordering.settings.rows,
        account_zone=ordering.tenant.zone,
        locale=_language(sent, ordering.settings),
        columns=columns,
        parameters=parameters,
    )


def _instant(sent: SentParameters, name: str, faults: list[FieldFault]) -> datetime | None:
    milliseconds = _milliseconds(sent, name, faults, required=True)
    if milliseconds is None:
        return None
    try:
        instant = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        instant = None
    if instant is None or not _EPOCH <= instant < _LAST:
        faults.append(FieldFault(name, "out of range"))
        return None
    return instant


def _milliseconds(sent: SentParameters, name: str, faults: list[FieldFault], *, required: bool = False) -> int | None:
    text = sent.one(name)
    if text is None:
        if required:
            faults.append(FieldFault(name, "missing"))
        return None
    if not _WHOLE.fullmatch(text):
        faults.append(FieldFault(name, _NOT_A_NUMBER))
        return None
    return int(text)


def _check(start: datetime, end: datetime, ordering: DecodeContext) -> None:
    """The bounds of Khoros contract 6, measured between the instants that were sent."""
    settings = ordering.settings
    if end < start or (end == start and settings.end == "exclusive"):
        raise ReversedTimespan("startTime must be earlier than endTime.")
    if settings.history_months and start < _months_before(ordering.now, settings.history_months):
        message = f"The timespan begins more than {settings.history_months} months ago."
        raise TimespanTooLong(message, [FieldFault("startTime", "too long ago")])
    if ordering.publication.slug not in UNBOUNDED and end - start > timedelta(days=settings.longest_days):
        message = f"The timespan is longer than {settings.longest_days} days."
        raise TimespanTooLong(message, [FieldFault("endTime", "too far from startTime")])


def _months_before(now: datetime, months: int) -> datetime:
    """The same day and time so many calendar months ago; the first of the next month where there is no such day."""
    years, month = divmod(now.month - 1 - months, 12)
    first = now.replace(year=now.year + years, month=month + 1, day=1)
    return min(first + timedelta(days=now.day - 1), (first + timedelta(days=31)).replace(day=1))


def _timespan(start: datetime, end: datetime, zone_name: str, settings: KhorosSettings) -> Timespan:
    """An inclusive end holds its whole millisecond: windows that end at 23:59:59.999 leave no gap between days."""
    if settings.end == "inclusive":
        end += _MILLISECOND
    return Timespan(start=start, end=end, zone=zone_name)


def _zone(sent: SentParameters, ordering: DecodeContext, faults: list[FieldFault]) -> str:
    """``timezone`` over ``timezoneOffset`` (a setting turns that round) over the account's zone
    (Khoros contract 5.2)."""
    named = sent.one("timezone")
    offset = _milliseconds(sent, "timezoneOffset", faults)
    if named is not None and (offset is None or ordering.settings.zone_by == "timezone"):
        return zone(named).key
    if offset is None:
        return ordering.tenant.zone
    try:
        return fixed_zone(timedelta(milliseconds=offset))
    except (ValueError, OverflowError):
        faults.append(FieldFault("timezoneOffset", "not whole seconds of less than a day"))
        return ordering.tenant.zone


def _language(sent: SentParameters, settings: KhorosSettings) -> str:
    """By its first part: en_US is en. One the dialect does not have is the account's own (Khoros contract 5.2,
    proposed)."""
    asked = re.split("[-_]", sent.one("locale") or "", maxsplit=1)[0].lower()
    return asked if asked in LANGUAGES else settings.locale


def _columns(
    sent: SentParameters, ordering: DecodeContext, format_: str | None, faults: list[FieldFault]
) -> tuple[str, ...]:
    """Ids of columns in the order asked for, upper and lower case alike; none for all that are shown by default."""
    known = {column.name.upper(): column for column in ordering.publication.columns}
    wanted = sent.many("reportMetrics")
    found = {known[name.upper()].name: known[name.upper()] for name in wanted if name.upper() in known}
    unknown = [name[:_LONGEST_NAME] for name in wanted if name.upper() not in known]
    if unknown and ordering.settings.unknown_metrics == "refuse":
        faults.append(FieldFault("reportMetrics", f"the export has no column {', '.join(unknown[:_MOST_NAMES])}"))
    if found and all(column.formats and format_ not in column.formats for column in found.values()):
        faults.append(FieldFault("reportMetrics", "none of the columns can be shown in that format"))
    return tuple(found)


class _ParameterDecoder:
    """Filters, as far as the report honours them; whatever does not apply to it is ignored (Khoros contract 1.4,
    seen)."""

    def __init__(self, sent: SentParameters, ordering: DecodeContext, faults: list[FieldFault]) -> None:
        self._sent = sent
        self._honoured = frozenset(ordering.report.parameters)
        self._settings = ordering.settings
        self._faults = faults

    def decode(self) -> ReportParameters:
        """The parameters, with the report's defaults where nothing was sent."""
        found = ReportParameters(
            agent_ids=self._ids("agent_ids", "agentId"),
            team_ids=self._ids("team_ids", "teamIds", "teamId"),
            queue_ids=self._ids("queue_ids", "workqueueIds"),
            campaign_ids=self._ids("campaign_ids", "campaignId"),
            priorities=self._priorities(),
            smart_view_id=self._sent.one("smartViewId") if "smart_view_id" in self._honoured else None,
            business_hours=self._business_hours(),
            include_disabled="include_disabled" in self._honoured and self._flag("includeDisabled") is True,
        )
        return self._with_selection(self._with_interval(self._with_cap(found)))

    def _ids(self, field: str, *names: str) -> tuple[str, ...] | None:
        if field not in self._honoured:
            return None
        return tuple(dict.fromkeys(value for name in names for value in self._sent.many(name))) or None

    def _priorities(self) -> tuple[str, ...] | None:
        wanted = self._ids("priorities", "priorities")
        if wanted and not PRIORITIES.issuperset(wanted):
            self._faults.append(FieldFault("priorities", "not among 0,1,2,3,4,5"))
        return wanted

    def _business_hours(self) -> BusinessHours | None:
        """Switched on and without a type: around the clock (Khoros contract 1.5, inferred)."""
        if "business_hours" not in self._honoured:
            return None
        enabled, inside = self._flag("enableBusinessHour"), self._flag("businessHourType")
        if inside is None:
            return None
        if not enabled:
            self._faults.append(FieldFault("businessHourType", "needs enableBusinessHour=true"))
        return BusinessHours.INSIDE if inside else BusinessHours.OUTSIDE

    def _flag(self, name: str) -> bool | None:
        text = self._sent.one(name)
        if text is None:
            return None
        if text.lower() not in ("true", "false"):
            self._faults.append(FieldFault(name, "neither true nor false"))
        return text.lower() == "true"

    def _with_selection(self, found: ReportParameters) -> ReportParameters:
        word = self._sent.one("conversationReportType") if "selection" in self._honoured else None
        if word is None:
            return found
        if word not in SELECTIONS:
            self._faults.append(FieldFault("conversationReportType", f"not one of {', '.join(SELECTIONS)}"))
            return found
        return replace(found, selection=SELECTIONS[word])

    def _with_interval(self, found: ReportParameters) -> ReportParameters:
        if "interval_milliseconds" not in self._honoured:
            return found
        milliseconds = _milliseconds(self._sent, "timeInterval", self._faults, required=True)
        return found if milliseconds is None else replace(found, interval_milliseconds=milliseconds)

    def _with_cap(self, found: ReportParameters) -> ReportParameters:
        if "actions_cap" not in self._honoured:
            return found
        raised = self._flag("raiselimit")
        settings = self._settings
        return replace(found, actions_cap=settings.history_actions_raised if raised else settings.history_actions)
