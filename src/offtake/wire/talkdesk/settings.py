"""Options of the dialect and the limits that the core derives from them (Talkdesk contract 3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Literal

from pydantic import Field

from offtake.core.policy import DialectLimits
from offtake.wire.dialect_settings import (
    DialectSettings,
    GuardFormulas,
    LongestDays,
    OpenJobs,
    PerMinuteOrNone,
    Rows,
    per_minute,
)


class TalkdeskSettings(DialectSettings):
    """The Talkdesk dialect. The defaults are the vendor's values where the vendor documents them."""

    open_jobs: OpenJobs = 15
    longest_days: LongestDays = 31
    rows: Rows = 1_000_000
    requests_per_minute: PerMinuteOrNone = Field(
        6000,
        description="Requests of one tenant per minute at each server; further requests get 429. 0: no limit.",
    )
    token_seconds: int = Field(599, ge=1, le=31_556_952, description="Life of an access token, in seconds.")
    refresh_seconds: int = Field(
        86_400,
        ge=0,
        le=31_556_952,
        description="Life of a refresh token, in seconds; a client can exchange it once. 0: no refresh tokens.",
    )
    freshness_seconds: int = Field(
        300,
        ge=0,
        le=86_400,
        description="An export leaves out rows that are younger than this when it is created: they may be incomplete.",
    )
    audit_reads: bool = Field(
        False, description="Record status polls and lists in the audit log before they are answered."
    )
    csv_header: Literal["labels", "names"] = Field("labels", description="First line of csv files.")
    csv_datetimes: Literal["as_json", "plain"] = Field(
        "as_json",
        description="Instants that JSON shows with Z: the same in csv, or plain (2026-03-01 09:00:00, job's zone).",
    )
    csv_guard_formulas: GuardFormulas = False
    legacy_columns: bool = Field(True, description="Include columns that only the vendor's older payloads have.")

    def limits(self) -> DialectLimits:
        """The shared limits, and those of requests, tokens, fresh rows and audited reads."""
        return replace(
            DialectSettings.limits(self),
            token_life=timedelta(seconds=self.token_seconds),
            refresh_life=timedelta(seconds=self.refresh_seconds),
            freshness=timedelta(seconds=self.freshness_seconds),
            ends_at_completeness=True,
            audit_reads=self.audit_reads,
            tenant_rate=per_minute(self.requests_per_minute) if self.requests_per_minute else None,
        )
