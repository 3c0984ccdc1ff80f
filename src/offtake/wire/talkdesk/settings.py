"""The dialect's options, and the limits the core obeys in it."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from offtake.core.policy import DialectLimits
from offtake.settings_section import SettingsSection


class TalkdeskSettings(SettingsSection):
    """The Talkdesk dialect; defaults are the vendor's values where it documents any."""

    open_jobs: int = Field(15, ge=1, le=1_000_000, description="Unfinished jobs of one account; more are refused.")
    longest_days: int = Field(31, ge=1, le=36_500, description="Longest timespan of one export, in days.")
    rows: int = Field(1_000_000, ge=1, description="An export with more rows fails; nothing is ever cut off.")
    retention_days: float = Field(30.0, gt=0, le=36_500, description="How long a finished file is kept.")
    token_seconds: int = Field(599, ge=1, le=31_556_952, description="Life of an access token.")
    refresh_seconds: int = Field(
        86_400, ge=0, le=31_556_952, description="Life of a refresh token, good for one exchange; 0: none are given."
    )
    link_seconds: int = Field(300, ge=1, le=31_556_952, description="Life of a download link; each read mints one.")
    freshness_seconds: int = Field(
        300,
        ge=0,
        le=86_400,
        description="Rows of the last so many seconds before an order are left out: they may not all be there yet.",
    )
    audit_reads: bool = Field(
        False, description="Record polls and lists in the audit log, too, before they are answered."
    )
    csv_header: Literal["labels", "names"] = Field("labels", description="First line of csv files.")
    csv_datetimes: Literal["as_json", "plain"] = Field(
        "as_json",
        description="Instants that JSON shows with Z: the same in csv, or plain (2026-03-01 09:00:00, job's zone).",
    )
    legacy_columns: bool = Field(True, description="Include columns that only the vendor's older payloads have.")


def limits(settings: TalkdeskSettings) -> DialectLimits:
    """Talkdesk contract 3, as far as the core counts and measures."""
    return DialectLimits(
        open_jobs=settings.open_jobs,
        longest_timespan=timedelta(days=settings.longest_days),
        rows=settings.rows,
        retention=timedelta(days=settings.retention_days),
        link_life=timedelta(seconds=settings.link_seconds),
        token_life=timedelta(seconds=settings.token_seconds),
        refresh_life=timedelta(seconds=settings.refresh_seconds),
        freshness=timedelta(seconds=settings.freshness_seconds),
        audit_reads=settings.audit_reads,
    )
