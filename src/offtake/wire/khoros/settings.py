"""Options of the dialect and the limits that the core derives from them (Khoros contract 6).

Where the vendor publishes no value, the default is a choice of this product.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, field_validator

from offtake.core.policy import DialectLimits
from offtake.wire.dialect_settings import DialectSettings, GuardFormulas, OpenJobs, PerMinuteOrNone, Rows, per_minute
from offtake.wire.khoros.patterns import strftime_pattern

_PATTERN = "Date and time in {}; letters as in CLDR and Java."


class KhorosSettings(DialectSettings):
    """The Khoros dialect. The defaults are the vendor's values where the vendor documents them."""

    open_jobs: OpenJobs = 100
    longest_days: Annotated[
        int,
        Field(
            ge=1, le=36_500, description="Longest timespan of one export, in days. The export user has no such limit."
        ),
    ] = 93
    rows: Rows = 10_000_000
    requests_per_minute: PerMinuteOrNone = Field(
        20,
        description="Requests of one user per minute; further requests are refused. 0: no limit.",
    )
    history_months: int = Field(
        18, ge=0, le=1_200, description="Earliest start of an export, in months before now. 0: no limit."
    )
    interval_tiers: bool = Field(
        True, description="Refuse intervals below 8 hours for more than a day, and below a day for more than a week."
    )
    history_actions: int = Field(
        500, ge=1, le=1_000_000, description="Actions of one conversation in its history; the newest are kept."
    )
    history_actions_raised: int = Field(2_000, ge=1, le=1_000_000, description="The same with raiselimit=true.")
    jobs_hours: int = Field(24, ge=1, le=8_760, description="How long the list of jobs shows a job, in hours.")
    download: Literal["redirect", "direct"] = Field(
        "redirect", description="Answer a download with 307 to a signed link, or with the file itself (200)."
    )
    result: Literal["object", "as_documented"] = Field(
        "object",
        description="The result of a status: always an object, or a list of one while running and when failed, as in "
        "the vendor's samples.",
    )
    end: Literal["inclusive", "exclusive"] = Field(
        "inclusive", description="Whether the millisecond of endTime belongs to the timespan."
    )
    zone_by: Literal["timezone", "timezoneOffset"] = Field(
        "timezone", description="Which of the two parameters decides if a request has both."
    )
    default_zone: Literal["UTC", "tenant"] = Field(
        "UTC", description="Zone of an export that names neither timezone nor timezoneOffset: UTC or the tenant's."
    )
    unknown_metrics: Literal["refuse", "ignore"] = Field(
        "ignore",
        description="Refuse a column in reportMetrics that the export does not have, or ignore it and list it in the "
        "header X-Export-Ignored-Metrics.",
    )
    disabled_metrics: tuple[str, ...] = Field(
        (),
        description="Ids of columns that exports leave out unless reportMetrics names them, such as AGENT_EMAIL, in "
        "any letter case.",
    )
    locale: Literal["en", "es", "fr", "de", "tr"] = Field(
        "en", description="Locale of exports that name none, or one that the dialect does not have."
    )
    pattern_en: str = Field("MM/dd/yyyy hh:mm:ss a", description=_PATTERN.format("English"))
    pattern_es: str = Field("dd/MM/yyyy HH:mm:ss", description=_PATTERN.format("Spanish"))
    pattern_fr: str = Field("dd/MM/yyyy HH:mm:ss", description=_PATTERN.format("French"))
    pattern_de: str = Field("dd.MM.yyyy HH:mm:ss", description=_PATTERN.format("German"))
    pattern_tr: str = Field("dd.MM.yyyy HH:mm:ss", description=_PATTERN.format("Turkish"))
    labels: Literal["localised", "english"] = Field("localised", description="Language of the columns' labels.")
    json_keys: Literal["id", "label", "camel"] = Field(
        "id", description="Keys of rows in json: AGENT_NAME, the label as in csv, or agentName."
    )
    sorted_rows: bool = Field(
        True,
        description="Sort the rows of conversation_history_action by conversation and time, and those of combined by "
        "time. Without it, these exports take about half the time, and their rows are in any order.",
    )
    csv_bom: bool = Field(False, description="Begin csv files with a byte order mark.")
    csv_guard_formulas: GuardFormulas = False

    @field_validator("pattern_en", "pattern_es", "pattern_fr", "pattern_de", "pattern_tr")
    @classmethod
    def _check_pattern(cls, value: str) -> str:
        strftime_pattern(value)
        return value

    @field_validator("disabled_metrics")
    @classmethod
    def _in_upper_case(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name.upper() for name in value)

    def instant_pattern(self, language: str) -> str:
        """The pattern of instants in that language, as ``strftime`` of the engine reads it."""
        patterns = {
            "en": self.pattern_en,
            "es": self.pattern_es,
            "fr": self.pattern_fr,
            "de": self.pattern_de,
            "tr": self.pattern_tr,
        }
        return strftime_pattern(patterns[language])

    def limits(self) -> DialectLimits:
        """The shared limits and the rate. The dialect checks timespans when it decodes, because ``user`` is exempt."""
        return replace(
            DialectSettings.limits(self),
            longest_timespan=None,
            rate=per_minute(self.requests_per_minute) if self.requests_per_minute else None,
        )
