"""Decoding of request parameters (Khoros contract 1.4, 1.5, 5 and 6)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.requests import Request

from offtake.core.presentation import choose
from offtake.errors import InvalidRequest, InvalidZone, ReversedTimespan, TimespanTooLong
from offtake.model.report import Publication, Report
from offtake.model.request import BusinessHours, ExportRequest, ReportParameters, Selection
from offtake.model.tenant import Tenant
from offtake.wire.khoros.interval import TooManyBuckets
from offtake.wire.khoros.parameters import SentParameters, read_parameters
from offtake.wire.khoros.requests import CreateRequest, DecodeContext, decode_create
from offtake.wire.khoros.settings import KhorosSettings
from tests.fixtures.golden import golden
from tests.property.exporting import catalogue

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY, HOUR = 86_400_000, 3_600_000
START = 1_772_323_200_000  # 1 March 2026
WINDOW = {"startTime": str(START), "endTime": str(START + DAY)}
SECOND = {"startTime": str(START), "endTime": str(START + 1_000)}


def sent(query: str, body: bytes = b"") -> SentParameters:
    return read_parameters(Request({"type": "http", "query_string": query.encode(), "headers": []}), body)


def decoded(slug: str, query: dict[str, str] | str, *, zone: str = "UTC", **settings: Any) -> ExportRequest:
    return decoded_create(slug, query, zone=zone, **settings).request


def decoded_create(slug: str, query: dict[str, str] | str, *, zone: str = "UTC", **settings: Any) -> CreateRequest:
    publication: Publication | None = catalogue().by_slug("khoros", slug)
    assert publication is not None
    report: Report = catalogue().reports[publication.report]
    context = DecodeContext(
        publication=publication,
        report=report,
        tenant=Tenant(name="acme", zone=zone),
        settings=KhorosSettings(**settings),
        now=NOW,
    )
    return decode_create(sent(query if isinstance(query, str) else urlencode(query)), context)


# --- 1.4: form of parameters -----------------------------------------------------------------------------------------

MERGED = [
    golden("1.4", "documented", "query", "a=1", b"", "1"),
    golden("1.4", "documented", "form", "", b"a=1", "1"),
    golden("1.4", "proposed", "json", "", b' {"a": "1"}', "1"),
    golden("1.4", "proposed", "json-number", "", b'{"a": 1}', "1"),
    golden("1.4", "proposed", "json-float", "", b'{"a": 1795305600000.0}', "1795305600000"),
    golden("1.4", "proposed", "json-exponent", "", b'{"a": 1.7953056e12}', "1795305600000"),
    golden("1.4", "proposed", "json-fraction", "", b'{"a": 1.5}', "1.5"),
    golden("1.4", "proposed", "json-truth", "", b'{"a": true}', "true"),
    golden("1.4", "proposed", "json-null", "", b'{"a": null}', None),
    golden("1.4", "proposed", "body-over-query", "a=1", b"a=2", "2"),
    golden("1.4", "proposed", "blank-body-under-query", "a=1", b"a=", "1"),
    golden("1.4", "proposed", "last-of-repeats", "a=1&a=2", b"", "2"),
    golden("1.4", "seen", "blank-before-the-name", "x=1&%20a=1", b"", "1"),
    golden("1.4", "seen", "blank-before-the-name-in-a-form", "", b"x=1& a=1", "1"),
    golden("1.4", "seen", "empty-pairs", "&&a=1&&", b"&", "1"),
    golden("1.4", "proposed", "names-are-exact", "A=1", b"", None),
    golden("1.5", "inferred", "absent-as-null", "a=null", b"", None),
]


@pytest.mark.parametrize(("query", "body", "value"), MERGED)
def test_query_and_body_are_merged_into_one_value(query: str, body: bytes, value: str | None) -> None:
    assert sent(query, body).one("a") == value


def test_repeats_and_comma_lists_are_the_same_and_query_comes_before_body() -> None:
    """Khoros contract 1.4, documented for each group of names and proposed for both."""
    found = sent("a=1%2C2&a=3&a=", b"a=4,1, 5").many("a")
    assert found == ("1", "2", "3", "4", "5")
    assert sent("", json.dumps({"a": ["1", "2,3", None]}).encode()).many("a") == ("1", "2", "3")


@pytest.mark.parametrize("body", [b'{"a": {"b": 1}}', b'{"a": [{}]}', b'{"a"', b"{" * 100_000, b"&a=1" * 5_000])
def test_bodies_that_are_neither_a_form_nor_a_flat_object_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        sent("", body)


# --- 1.5: parameters and defaults ------------------------------------------------------------------------------------


def test_defaults() -> None:
    request = decoded("conversation", WINDOW)
    assert (request.dialect, request.report, request.format, request.locale) == ("khoros", "conversation", "json", "en")
    assert request.timespan.zone == "UTC"
    assert (request.columns, request.parameters) == ((), ReportParameters())
    assert request.parameters.selection is Selection.OPEN_AT_END


def test_a_request_with_every_parameter() -> None:
    request = decoded(
        "conversation",
        {
            **WINDOW,
            "reportFormat": "CSV",
            "locale": "de_DE",
            "timezone": "Europe/Prague",
            "timezoneOffset": "3600000",
            "reportMetrics": "status, CONVERSATION_ID ,Status",
            "priorities": "0,5",
            "smartViewId": "17",
            "workqueueIds": "31,32",
            "enableBusinessHour": "TRUE",
            "businessHourType": "False",
            "conversationReportType": "CLOSED",
            "includeDisabled": "true",
            "timeInterval": "not of this export",
        },
    )
    assert (request.format, request.locale, request.timespan.zone) == ("csv", "de", "Europe/Prague")
    assert request.columns == ("STATUS", "CONVERSATION_ID")
    assert request.parameters == ReportParameters(
        priorities=("0", "5"),
        smart_view_id="17",
        queue_ids=("31", "32"),
        business_hours=BusinessHours.OUTSIDE,
        selection=Selection.CLOSED,
    )


def test_users_are_chosen_by_agents_and_teams() -> None:
    request = decoded("user", f"{urlencode(WINDOW)}&agentId=1&agentId=2&agent=3&teamId=4&teamId=5&includeDisabled=true")
    assert request.parameters == ReportParameters(agent_ids=("1", "2"), team_ids=("4", "5"), include_disabled=True)
    assert decoded("team_performance", {**WINDOW, "teamIds": "4,5"}).parameters.team_ids == ("4", "5")


@pytest.mark.parametrize(("raised", "cap"), [({}, 500), ({"raiselimit": "true"}, 2000), ({"raiseLimit": "true"}, 500)])
def test_the_maximum_number_of_actions_in_a_history(raised: dict[str, str], cap: int) -> None:
    """Khoros contract 1.5, documented: all lower case."""
    assert decoded("conversation_history_action", {**WINDOW, **raised}).parameters.actions_cap == cap


def test_business_hours_without_a_type_are_around_the_clock() -> None:
    """Khoros contract 1.5, inferred: common in the vendor's samples."""
    assert decoded("author", {**WINDOW, "enableBusinessHour": "true"}).parameters.business_hours is None


def test_campaigns_of_publishing() -> None:
    assert decoded("marketing/brand_post", {**WINDOW, "campaignId": "a,b"}).parameters.campaign_ids == ("a", "b")


FAULTY = [
    golden("1.5", "documented", "no-start", "conversation", {"startTime": ""}, "startTime"),
    golden("1.5", "documented", "no-end", "conversation", {"endTime": "null"}, "endTime"),
    golden("1.5", "documented", "iso-time", "conversation", {"startTime": "2026-03-01T00:00:00Z"}, "startTime"),
    golden("1.5", "proposed", "before-1970", "conversation", {"startTime": "-1"}, "startTime"),
    golden("1.5", "proposed", "year-10000", "conversation", {"endTime": "253402300800000"}, "endTime"),
    golden("1.5", "proposed", "many-digits", "conversation", {"endTime": "9" * 18}, "endTime"),
    golden("1.5", "proposed", "more-digits", "conversation", {"endTime": "9" * 5000}, "endTime"),
    golden("1.5", "documented", "format", "conversation", {"reportFormat": "xlsx"}, "reportFormat"),
    golden("1.5", "documented", "priority", "conversation", {"priorities": "1,6"}, "priorities"),
    golden("1.5", "documented", "type", "conversation", {"conversationReportType": "OPEN"}, "conversationReportType"),
    golden("1.5", "documented", "flag", "user", {"includeDisabled": "1"}, "includeDisabled"),
    golden("1.5", "documented", "hours-not-enabled", "author", {"businessHourType": "true"}, "businessHourType"),
    golden("1.5", "proposed", "offset-of-a-day", "author", {"timezoneOffset": str(DAY)}, "timezoneOffset"),
    golden("1.5", "proposed", "offset-in-milliseconds", "author", {"timezoneOffset": "3600001"}, "timezoneOffset"),
    golden("1.5", "proposed", "offset-too-long", "author", {"timezoneOffset": "9" * 18}, "timezoneOffset"),
    golden("1.5", "documented", "no-interval", "team_performance_interval", {}, "timeInterval"),
    golden("1.5", "documented", "word-interval", "team_performance_interval", {"timeInterval": "day"}, "timeInterval"),
    golden(
        "5.3", "proposed", "no-column-left", "user",
        {"reportFormat": "csv", "reportMetrics": "TOTAL_MOBILE_TIME_MILLIS"}, "reportMetrics",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("slug", "more", "field"), FAULTY)
def test_faulty_parameters_are_named(slug: str, more: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decoded(slug, {**WINDOW, **more})
    assert [fault.name for fault in caught.value.fields] == [field]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *product(("startTime", "endTime", "timezoneOffset"), ("hour", "9" * 18, "-3600001")),
        *product(("timeInterval",), ("hour", "-3600001", "300001")),
    ],
)
def test_a_faulty_number_of_milliseconds_names_the_unit(name: str, value: str) -> None:
    """Khoros contract 1.5, proposed."""
    with pytest.raises(InvalidRequest) as caught:
        decoded("team_performance_interval", {**WINDOW, "timeInterval": "86400000", name: value})
    (fault,) = caught.value.fields
    assert fault.name == name
    assert "milliseconds" in fault.description


@pytest.mark.parametrize(
    "query", ["reportMetrics=agent_name&agent_email&agent_id", "reportMetrics=agent_name,agent_email,agent_id"]
)
@pytest.mark.parametrize(
    ("slug", "columns", "ignored"),
    [
        ("user", ("AGENT_NAME", "AGENT_EMAIL", "AGENT_ID"), 0),
        ("raw_agent_states", ("AGENT_NAME", "AGENT_EMAIL", "AGENT_ID"), 0),
        ("conversation", (), 3),
    ],
)
def test_the_vendors_example_of_columns(query: str, slug: str, columns: tuple[str, ...], ignored: int) -> None:
    """Khoros contract 1.5 and 5.6, proposed: a report without such columns has its default ones."""
    found = decoded_create(slug, f"{urlencode(WINDOW)}&{query}")
    assert found.request.columns == columns
    # Ids without a value are parameters of their own, which are ignored if no column has such an id.
    assert len(found.ignored_metrics) == (ignored if "," in query else min(ignored, 1))


def test_an_unknown_column_is_ignored_or_refused_by_name() -> None:
    """Khoros contract 5.6, proposed."""
    query = {**WINDOW, "reportMetrics": "NOPE,agent_id"}
    found = decoded_create("user", query)
    assert (found.request.columns, found.ignored_metrics) == (("AGENT_ID",), ("NOPE",))
    with pytest.raises(InvalidRequest) as caught:
        decoded("user", query, unknown_metrics="refuse")
    assert [(fault.name, "NOPE" in fault.description) for fault in caught.value.fields] == [("reportMetrics", True)]


def test_disabled_columns_are_left_out_unless_the_request_names_them() -> None:
    """Khoros contract 1.5, documented: reportMetrics brings back columns that the company has switched off."""
    whole = catalogue().by_slug("khoros", "conversation")
    assert whole is not None
    names = [column.name for column in choose(whole, (), "json").columns]
    settings: Any = {"disabled_metrics": ["status", "NO_COLUMN_OF_THIS_EXPORT"]}
    assert list(decoded("conversation", WINDOW, **settings).columns) == [name for name in names if name != "STATUS"]
    named = {**WINDOW, "reportMetrics": "status"}
    assert decoded("conversation", named, **settings).columns == ("STATUS",)
    assert decoded("user", WINDOW, **settings).columns == ()
    with pytest.raises(InvalidRequest) as caught:
        decoded("conversation", WINDOW, disabled_metrics=names)
    assert [fault.name for fault in caught.value.fields] == ["reportMetrics"]


def test_a_disabled_column_of_one_format_only() -> None:
    """Khoros contract 5.3: the default columns depend on the format."""
    settings: Any = {"disabled_metrics": ["AGENT_ID"]}
    csv, json_ = (decoded("user", {**WINDOW, "reportFormat": each}, **settings).columns for each in ("csv", "json"))
    assert {name for name in json_ if name.endswith("_MILLIS")}
    assert not {name for name in csv if name.endswith("_MILLIS")}


def test_all_six_priorities_are_no_filter() -> None:
    """Khoros contract 1.5, documented: the default is all, and that includes rows without a priority."""
    assert decoded("conversation", {**WINDOW, "priorities": "5,4,3,2,1,0"}).parameters.priorities is None
    assert decoded("conversation", {**WINDOW, "priorities": "4,3,2,1,0"}).parameters.priorities is not None


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decoded("conversation", {"reportFormat": "pdf", "priorities": "9"})
    assert [fault.name for fault in caught.value.fields] == ["startTime", "endTime", "reportFormat", "priorities"]


# --- 5.2: zones and locales ------------------------------------------------------------------------------------------

ZONES = [
    golden("5.2", "documented", "neither", {}, "Europe/Prague", "UTC"),
    golden("5.2", "documented", "zone", {"timezone": "Asia/Kolkata"}, "Europe/Prague", "Asia/Kolkata"),
    golden("1.5", "documented", "ahead", {"timezoneOffset": "3600000"}, "Europe/Prague", "GMT+01:00"),
    golden("1.5", "documented", "behind", {"timezoneOffset": "-3600000"}, "UTC", "GMT-01:00"),
    golden("1.5", "documented", "half-an-hour", {"timezoneOffset": "+19800000"}, "UTC", "GMT+05:30"),
    golden("1.5", "documented", "no-offset", {"timezoneOffset": "0"}, "Europe/Prague", "UTC"),
    golden("5.2", "proposed", "both", {"timezone": "Asia/Kolkata", "timezoneOffset": "3600000"}, "UTC", "Asia/Kolkata"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "account", "zone"), ZONES)
def test_the_zone_of_a_request(more: dict[str, str], account: str, zone: str) -> None:
    assert decoded("user", {**WINDOW, **more}, zone=account).timespan.zone == zone


def test_a_setting_makes_the_tenants_zone_the_default() -> None:
    """Khoros contract 5.2, proposed."""
    settings = {"zone": "Europe/Prague", "default_zone": "tenant"}
    assert decoded("user", WINDOW, **settings).timespan.zone == "Europe/Prague"
    assert decoded("user", {**WINDOW, "timezoneOffset": "0"}, **settings).timespan.zone == "UTC"
    assert decoded("user", WINDOW, zone="Europe/Prague").account_zone == "Europe/Prague"  # of business hours


def test_a_setting_reverses_the_precedence_of_zones() -> None:
    both = {**WINDOW, "timezone": "Asia/Kolkata", "timezoneOffset": "3600000"}
    assert decoded("user", both, zone_by="timezoneOffset").timespan.zone == "GMT+01:00"
    only = {**WINDOW, "timezone": "Asia/Kolkata"}
    assert decoded("user", only, zone_by="timezoneOffset").timespan.zone == "Asia/Kolkata"


@pytest.mark.parametrize("name", ["CEST", "GMT+05:30", "europe/prague", "../etc", "Factory"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    """Khoros contract 5.2, proposed; a caller cannot name an offset as a zone."""
    with pytest.raises(InvalidZone):
        decoded("user", {**WINDOW, "timezone": name})


@pytest.mark.parametrize(
    ("locale", "language"),
    [("en_US", "en"), ("EN", "en"), ("es-ES", "es"), ("tr", "tr"), ("pt_BR", "fr"), ("", "fr"), ("deutsch", "fr")],
)
def test_the_locale_of_a_request(locale: str, language: str) -> None:
    """Khoros contract 5.2, proposed: by the language, and the account's own language if the dialect does not have
    it."""
    assert decoded("user", {**WINDOW, "locale": locale}, locale="fr").locale == language


# --- 5.4: intervals --------------------------------------------------------------------------------------------------


def interval(milliseconds: int, length: int, **settings: Any) -> int:
    window = {"startTime": str(START), "endTime": str(START + length)}
    query = {**window, "timeInterval": str(milliseconds)}
    return decoded("team_performance_interval", query, **settings).parameters.interval_milliseconds


LISTED = [300_000, 600_000, 900_000, 1_800_000, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, DAY, 7 * DAY]
MONTHLY = [7 * DAY + 1, 30 * DAY, 10**14]


@pytest.mark.parametrize("milliseconds", LISTED + MONTHLY)
def test_intervals_for_a_day(milliseconds: int) -> None:
    assert interval(milliseconds, DAY) == milliseconds
    assert interval(milliseconds, DAY + HOUR) == milliseconds  # the day on which clocks go back


@pytest.mark.parametrize("milliseconds", [0, -HOUR, 1, 60_000, 3 * HOUR, 2 * DAY, 7 * DAY - 1])
def test_other_intervals_are_refused(milliseconds: int) -> None:
    """Khoros contract 5.4, documented: below one week and not in the table."""
    with pytest.raises(InvalidRequest) as caught:
        interval(milliseconds, DAY)
    assert not isinstance(caught.value, TooManyBuckets)


@pytest.mark.parametrize("milliseconds", [m for m in LISTED + MONTHLY if m >= 8 * HOUR])
def test_intervals_for_a_week(milliseconds: int) -> None:
    assert interval(milliseconds, 7 * DAY) == milliseconds


@pytest.mark.parametrize("milliseconds", [m for m in LISTED + MONTHLY if m >= DAY])
def test_intervals_for_a_quarter(milliseconds: int) -> None:
    """Khoros contract 5.4, seen: a sample asks for days over 89 days."""
    assert interval(milliseconds, 89 * DAY) == milliseconds


TOO_FINE = [
    golden("5.4", "documented", "hours-of-a-month", HOUR, 31 * DAY, 745),
    golden("5.4", "documented", "half-days-of-a-month", 12 * HOUR, 31 * DAY, 63),
    golden("5.4", "documented", "quarters-of-a-week", 4 * HOUR, 7 * DAY, 43),
]


@pytest.mark.parametrize(("milliseconds", "length", "buckets"), TOO_FINE)
def test_too_many_buckets_are_refused(milliseconds: int, length: int, buckets: int) -> None:
    with pytest.raises(TooManyBuckets) as caught:
        interval(milliseconds, length)
    assert caught.value.result.startswith("Unable to hydrate filter for export info:")
    assert "com.lithium.socialweb.analytics.webapp.models.filter.HydrationException" in caught.value.result
    assert caught.value.result.endswith(f"Too many buckets ({buckets}) requested. Select a larger interval?")
    assert interval(milliseconds, length, interval_tiers=False) == milliseconds


# --- 5.7 and 6: bounds and limits ------------------------------------------------------------------------------------


def test_the_last_millisecond_belongs_to_the_timespan() -> None:
    """Khoros contract 5.7, proposed: windows that end at 23:59:59.999 leave no gap, whatever microseconds there are."""
    request = decoded("author", SECOND)
    assert request.timespan.start == datetime(2026, 3, 1, tzinfo=UTC)
    assert request.timespan.end == request.timespan.start + timedelta(seconds=1, milliseconds=1)
    exclusive = decoded("author", SECOND, end="exclusive")
    assert exclusive.timespan.end == request.timespan.start + timedelta(seconds=1)


def test_a_timespan_of_one_instant() -> None:
    instant = {"startTime": str(START), "endTime": str(START)}
    assert decoded("author", instant).timespan.end - decoded("author", instant).timespan.start == timedelta(
        milliseconds=1
    )
    with pytest.raises(ReversedTimespan):
        decoded("author", instant, end="exclusive")


def test_a_reversed_timespan_is_refused() -> None:
    with pytest.raises(ReversedTimespan):
        decoded("author", {"startTime": str(START + 1), "endTime": str(START)})


def test_a_timespan_has_at_most_three_months_except_for_users() -> None:
    """Khoros contract 6, documented; proposed as 93 days, and not for users: one sample ends in the year 2503."""
    longest = {"startTime": str(START), "endTime": str(START + 93 * DAY)}
    longer = {"startTime": str(START), "endTime": str(START + 93 * DAY + 1)}
    assert decoded("author", longest).timespan.end == datetime(2026, 6, 2, 0, 0, 0, 1000, tzinfo=UTC)
    with pytest.raises(TimespanTooLong):
        decoded("author", longer)
    assert decoded("author", longer, longest_days=94)
    assert decoded("user", {"startTime": str(START), "endTime": "16835212800000"}).timespan.end.year == 2503


def test_a_timespan_starts_at_most_eighteen_months_ago() -> None:
    """Khoros contract 6, documented: counted by the calendar."""
    first = int(datetime(2025, 5, 21, 12, tzinfo=UTC).timestamp()) * 1000
    assert decoded("author", {"startTime": str(first), "endTime": str(first + 1)})
    early = {"startTime": str(first - 1), "endTime": str(first + 1)}
    with pytest.raises(TimespanTooLong):
        decoded("author", early)
    assert decoded("author", early, history_months=19)
    assert decoded("author", {"startTime": "0", "endTime": "1"}, history_months=0)


def test_an_end_in_the_future_is_accepted() -> None:
    later = {"startTime": str(START), "endTime": str(START + 60 * DAY)}
    assert decoded("author", later).timespan.end > datetime(2026, 4, 1, tzinfo=UTC)
