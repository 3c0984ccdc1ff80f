"""Options of the dialect and the limits that the core derives from them."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from offtake.core.policy import DialectLimits
from offtake.wire.dialect_settings import (
    DialectSettings,
    GuardFormulas,
    LinkSeconds,
    LongestDays,
    OpenJobs,
    PerMinute,
    RetentionDays,
    per_minute,
)

CREATE, PREVIEW, READ = "create", "preview", "read"  # operations with separate rates


class NativeSettings(DialectSettings):
    """The native dialect, under /v1."""

    open_jobs: OpenJobs = 20
    longest_days: LongestDays = 3660
    retention_days: RetentionDays = 30.0
    longest_retention_days: float = Field(
        365.0,
        gt=0,
        le=36_500,
        description="Longest retention that a client can set for a file, in days after its export ended.",
    )
    holds: bool = Field(True, description="Whether clients may put exports on hold and release their own holds.")
    link_seconds: LinkSeconds = 900
    presigned: bool = Field(
        False,
        description="Link to the object storage itself (presigned URLs) where artifacts_url is a bucket, so that files "
        "do not pass through the server. Such a link works until it expires, also if its credential is revoked.",
    )
    creates_per_minute: PerMinute | None = Field(
        120, description="Create requests of one credential per minute; unset, there is no limit."
    )
    previews_per_minute: PerMinute | None = Field(
        60, description="Previews of one credential per minute; unset, there is no limit."
    )
    reads_per_minute: PerMinute | None = Field(
        None,
        description="All other requests of one credential per minute; unset, they are not counted, which is faster.",
    )
    csv_guard_formulas: GuardFormulas = False

    def limits(self) -> DialectLimits:
        """The shared limits, and separate rates for creates, previews and all other requests."""
        rates = {CREATE: self.creates_per_minute, PREVIEW: self.previews_per_minute, READ: self.reads_per_minute}
        return replace(
            DialectSettings.limits(self),
            ends_at_completeness=True,
            rates={name: per_minute(most) for name, most in rates.items() if most is not None},
        )
