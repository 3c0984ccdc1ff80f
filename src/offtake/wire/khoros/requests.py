"""Decodes the parameters of a create request (Khoros contract 1.4, 1.5 and 5)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from offtake.core.presentation import choose
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
_LAST = datetime(9999, 12, 30, tzinfo=UTC)  # later instants are in the year 10000 in some zone
_LONGEST_NAME, _MOST_NAMES = 64, 10  # bounds of unknown column names that an error repeats
_OUT_OF_RANGE = "not milliseconds since 1970-01-01T00:00:00Z, before the year 10000"
_NOT_A_NUMBER = "not a whole number of milliseconds"
_NOT_AN_OFFSET = "not a number of milliseconds that is a multiple of 1000 and less than a day (86400000)"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeContext:
    """What a create request is decoded against: the report, the tenant, the options and the present instant."""

    publication: Publication
    report: Report
    tenant: Tenant
    settings: KhorosSettings
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """A decoded create request."""

    request: ExportRequest
    ignored_metrics: tuple[str, ...]  # columns in reportMetrics that the export does not have, as the client sent them


def decode_create(sent: SentParameters, context: DecodeContext) -> CreateRequest:
    """The export request in the parameters of a create request.

    Raises InvalidRequest with all faulty parameters, then InvalidZone, ReversedTimespan, TimespanTooLong,
    TooManyBuckets.
    """
    faults: list[FieldFault] = []
    start = _instant(sent, "startTime", faults)
    end = _instant(sent, "endTime", faults)
    format_ = FORMATS.get((sent.one("reportFormat") or DEFAULT_FORMAT).lower())
    if format_ is None:
        faults.append(FieldFault("reportFormat", f"not one of {', '.join(FORMATS)}"))
    zone_name = _zone(sent, context, faults)
    columns, unknown = _columns(sent, context, format_, faults)
    guard_formulas = _flag(sent, "csvGuardFormulas", faults)
    parameters = ParameterDecoder(sent, context, faults).decode()
    if faults or start is None or end is None or format_ is None:
        raise InvalidRequest(_INVALID, faults)
    _check(start, end, context)
    if "interval_milliseconds" in context.report.parameters:
        check_interval(parameters.interval_milliseconds, end - start, tiers=context.settings.interval_tiers)
    request = ExportRequest(
        dialect=NAME,
        report=context.report.name,
        format=format_,
        timespan=_timespan(start, end, zone_name, context.settings),
        name=context.publication.title,
        row_limit=context.settings.rows,
        account_zone=context.tenant.zone,
        locale=_language(sent, context.settings),
        columns=columns,
        guard_formulas=guard_formulas,
        parameters=parameters,
    )
    return CreateRequest(request=request, ignored_metrics=unknown)


def _instant(sent: SentParameters, name: str, faults: list[FieldFault]) -> datetime | None:
    milliseconds = _milliseconds(sent, name, faults, required=True)
    if milliseconds is None:
        return None
    try:
        instant = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        instant = None
    if instant is None or not _EPOCH <= instant < _LAST:
        faults.append(FieldFault(name, _OUT_OF_RANGE))
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


def _check(start: datetime, end: datetime, context: DecodeContext) -> None:
    """Check the instants of the request by Khoros contract 6. Raises ReversedTimespan, TimespanTooLong."""
    settings = context.settings
    if end < start or (end == start and settings.end == "exclusive"):
        raise ReversedTimespan("startTime must be earlier than endTime.")
    if settings.history_months and start < _months_before(context.now, settings.history_months):
        message = f"The timespan begins more than {settings.history_months} months ago."
        raise TimespanTooLong(message, [FieldFault("startTime", f"more than {settings.history_months} months ago")])
    if context.publication.slug not in UNBOUNDED and end - start > timedelta(days=settings.longest_days):
        message = f"The timespan is longer than {settings.longest_days} days."
        raise TimespanTooLong(
            message, [FieldFault("endTime", f"more than {settings.longest_days} days after startTime")]
        )


def _months_before(now: datetime, months: int) -> datetime:
    """The same day and time that many calendar months ago; the first of the next month if that day does not exist."""
    years, month = divmod(now.month - 1 - months, 12)
    first = now.replace(year=now.year + years, month=month + 1, day=1)
    return min(first + timedelta(days=now.day - 1), (first + timedelta(days=31)).replace(day=1))


def _timespan(start: datetime, end: datetime, zone_name: str, settings: KhorosSettings) -> Timespan:
    """An inclusive end includes its whole millisecond: timespans that end at 23:59:59.999 leave no gap between days."""
    if settings.end == "inclusive":
        end += _MILLISECOND
    return Timespan(start=start, end=end, zone=zone_name)


def _zone(sent: SentParameters, context: DecodeContext, faults: list[FieldFault]) -> str:
    """``timezone``, else ``timezoneOffset``, else UTC (Khoros contract 1.5 and 5.2); settings swap the first two, and
    replace UTC by the tenant's zone."""
    default = "UTC" if context.settings.default_zone == "UTC" else context.tenant.zone
    named = sent.one("timezone")
    offset = _milliseconds(sent, "timezoneOffset", faults)
    if named is not None and (offset is None or context.settings.zone_by == "timezone"):
        return zone(named).key
    if offset is None:
        return default
    try:
        return fixed_zone(timedelta(milliseconds=offset))
    except (ValueError, OverflowError):
        faults.append(FieldFault("timezoneOffset", _NOT_AN_OFFSET))
        return default


def _language(sent: SentParameters, settings: KhorosSettings) -> str:
    """The language of the locale: en for en_US; the setting's for an unknown one (Khoros contract 5.2, proposed)."""
    language = re.split("[-_]", sent.one("locale") or "", maxsplit=1)[0].lower()
    return language if language in LANGUAGES else settings.locale


def _columns(
    sent: SentParameters, context: DecodeContext, format_: str | None, faults: list[FieldFault]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids of columns in the requested sequence, in any letter case, and the requested ones that do not exist.

    Without requested columns, these are the default columns without the tenant's disabled ones; empty if none is
    disabled. The vendor's example ``reportMetrics=agent_name&agent_email&agent_id`` names three columns: a column's id
    without a value counts, too (Khoros contract 1.5, proposed).
    """
    known = {column.name.upper(): column for column in context.publication.columns}
    wanted = sent.many("reportMetrics")
    if wanted:
        wanted += tuple(name for name in sent.nameless() if name.upper() in known)
    found = {known[name.upper()].name: known[name.upper()] for name in wanted if name.upper() in known}
    unknown = tuple(name for name in wanted if name.upper() not in known)
    if unknown and context.settings.unknown_metrics == "refuse":
        names = ", ".join(name[:_LONGEST_NAME] for name in unknown[:_MOST_NAMES])
        faults.append(FieldFault("reportMetrics", f"the export has no column {names}"))
    if found and all(column.formats and format_ not in column.formats for column in found.values()):
        faults.append(FieldFault("reportMetrics", "none of the columns can be shown in that format"))
    return tuple(found) or _enabled(context, format_, faults), unknown


def _enabled(context: DecodeContext, format_: str | None, faults: list[FieldFault]) -> tuple[str, ...]:
    """The default columns without the disabled ones (Khoros contract 1.5); empty if none is disabled."""
    disabled = frozenset(context.settings.disabled_metrics)
    if disabled.isdisjoint(column.name.upper() for column in context.publication.columns) or format_ is None:
        return ()
    default = choose(context.publication, (), format_).columns
    enabled = tuple(column.name for column in default if column.name.upper() not in disabled)
    if not enabled:
        faults.append(FieldFault("reportMetrics", "missing; all columns of the export are disabled by default"))
    return enabled


def _flag(sent: SentParameters, name: str, faults: list[FieldFault]) -> bool | None:
    text = sent.one(name)
    if text is None:
        return None
    if text.lower() not in ("true", "false"):
        faults.append(FieldFault(name, "neither true nor false"))
    return text.lower() == "true"


class ParameterDecoder:
    """Decodes the filters that the report honours; all others are ignored (Khoros contract 1.4, seen)."""

    def __init__(self, sent: SentParameters, context: DecodeContext, faults: list[FieldFault]) -> None:
        self._sent = sent
        self._honoured = frozenset(context.report.parameters)
        self._settings = context.settings
        self._faults = faults

    def decode(self) -> ReportParameters:
        """The parameters, with the report's defaults for those that the request lacks."""
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
        """The filter by priority. All six are no filter: rows without a priority are in (Khoros contract 1.5)."""
        wanted = self._ids("priorities", "priorities")
        if wanted and not PRIORITIES.issuperset(wanted):
            self._faults.append(FieldFault("priorities", "not among 0,1,2,3,4,5"))
        return None if wanted and PRIORITIES.issubset(wanted) else wanted

    def _business_hours(self) -> BusinessHours | None:
        """The filter by business hours; enabled without a type is no filter (Khoros contract 1.5, inferred)."""
        if "business_hours" not in self._honoured:
            return None
        enabled, inside = self._flag("enableBusinessHour"), self._flag("businessHourType")
        if inside is None:
            return None
        if not enabled:
            self._faults.append(FieldFault("businessHourType", "needs enableBusinessHour=true"))
        return BusinessHours.INSIDE if inside else BusinessHours.OUTSIDE

    def _flag(self, name: str) -> bool | None:
        return _flag(self._sent, name, self._faults)

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
