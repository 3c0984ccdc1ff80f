"""The dialect's options, and the limits the core obeys in it.

Where the vendor says nothing in public, the default is our choice, and the option is there to change it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator

from offtake.core.policy import DialectLimits, Rate
from offtake.settings_section import SettingsSection
from offtake.wire.khoros.patterns import strftime_pattern

_PATTERN = "Date and time in {}; letters as in CLDR and Java."


class KhorosSettings(SettingsSection):
    """The Khoros dialect; defaults are the vendor's values where it documents any."""

    requests_per_minute: int = Field(
        20, ge=0, le=1_000_000, description="Requests of one user in a minute; more are refused. 0 for no limit."
    )
    history_months: int = Field(
        18, ge=0, le=1_200, description="An export may not begin longer ago than this. 0 for no limit."
    )
    longest_days: int = Field(
        93, ge=1, le=36_500, description="Longest timespan of one export, in days; exports of users have none."
    )
    interval_tiers: bool = Field(
        True, description="Refuse intervals below 8 hours for more than a day, and below a day for more than a week."
    )
    history_actions: int = Field(
        500, ge=1, le=1_000_000, description="Actions of one conversation in its history; the newest are kept."
    )
    history_actions_raised: int = Field(2_000, ge=1, le=1_000_000, description="The same with raiselimit=true.")
    jobs_hours: int = Field(24, ge=1, le=8_760, description="How long a job stands in the list of jobs.")
    open_jobs: int = Field(100, ge=1, le=1_000_000, description="Unfinished jobs of one account; more are refused.")
    rows: int = Field(10_000_000, ge=1, description="An export with more rows fails; nothing is ever cut off.")
    retention_days: float = Field(30.0, gt=0, le=36_500, description="How long a finished file is kept.")
    link_seconds: int = Field(300, ge=1, le=31_556_952, description="Life of a download link; each read mints one.")
    download: Literal["redirect", "direct"] = Field(
        "redirect", description="Answer a download with 307 to a signed link, or with the file itself (200)."
    )
    result: Literal["object", "as_documented"] = Field(
        "object",
        description="The result of a status: an object always, or a list of one while running and when failed, as in "
        "the vendor's samples.",
    )
    end: Literal["inclusive", "exclusive"] = Field(
        "inclusive", description="Whether the millisecond of endTime belongs to the timespan."
    )
    zone_by: Literal["timezone", "timezoneOffset"] = Field(
        "timezone", description="Which of the two decides where a request has both."
    )
    unknown_metrics: Literal["refuse", "ignore"] = Field(
        "refuse", description="What becomes of a column in reportMetrics that the export does not have."
    )
    locale: Literal["en", "es", "fr", "de", "tr"] = Field(
        "en", description="Locale of exports that ask for none, or for one that the dialect does not have."
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
    csv_bom: bool = Field(False, description="Begin csv files with a byte order mark.")
    csv_guard_formulas: bool = Field(
        False, description="Put an apostrophe before csv cells that a spreadsheet would run as a formula."
    )

    @field_validator("pattern_en", "pattern_es", "pattern_fr", "pattern_de", "pattern_tr")
    @classmethod
    def _can_be_shown(cls, value: str) -> str:
        strftime_pattern(value)
        return value

    def instant_pattern(self, language: str) -> str:
        """How that language writes instants, in the engine's words."""
        patterns = {
            "en": self.pattern_en,
            "es": self.pattern_es,
            "fr": self.pattern_fr,
            "de": self.pattern_de,
            "tr": self.pattern_tr,
        }
        return strftime_pattern(patterns[language])


def limits(settings: KhorosSettings) -> DialectLimits:
    """Khoros contract 6, as far as the core counts; timespans are measured when decoded, because ``user`` is exempt."""
    per_minute = settings.requests_per_minute
    return DialectLimits(
        open_jobs=settings.open_jobs,
        longest_timespan=None,
        rows=settings.rows,
        retention=timedelta(days=settings.retention_days),
        link_life=timedelta(seconds=settings.link_seconds),
        token_life=timedelta(0),  # no tokens are issued: every request carries the password
        rate=Rate(requests=per_minute, period=timedelta(minutes=1)) if per_minute else None,
    )
