"""Options of the dialect and the limits that the core derives from them (Loop contract 5.2, 8 and 9).

The contract proposes nearly all defaults.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from offtake.core.policy import DialectLimits
from offtake.wire.dialect_settings import (
    DialectSettings,
    LinkSeconds,
    LongestDays,
    OpenJobs,
    PerMinute,
    RetentionDays,
    per_minute,
)

READ, CREATE = "read", "create"  # operations with separate rates
MOST_ENTRIES = 100_000  # upper bound of the option list_entries


class LoopSettings(DialectSettings):
    """The Loop dialect. The defaults are the contract's values."""

    open_jobs: OpenJobs = 10
    longest_days: LongestDays = 366
    rows: Annotated[
        int | None,
        Field(
            ge=1, description="Most rows of one export; an export with more rows fails. Without it, there is no limit."
        ),
    ] = None
    retention_days: RetentionDays = 7.0
    link_seconds: LinkSeconds = 3600
    link_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#]+(/[^?#]*)?$",
        description="Base URL of download links, as https://files.example.com, if it is not the host of the API. "
        "A proxy there forwards requests to this server.",
    )
    reads_per_minute: PerMinute = Field(60, description="Reads of one token per minute.")
    creates_per_minute: PerMinute = Field(10, description="Create requests of one token per minute.")
    list_entries: int = Field(1000, ge=1, le=MOST_ENTRIES, description="Most entries of one filter.")
    status_dialect: Literal["current", "legacy"] = Field(
        "current", description="Status of exports that are gone: PendingOrExpired, or Expired as in older documents."
    )
    unknown_id: Annotated[Literal["200", "404"], BeforeValidator(str)] = Field(
        "200", description="Answer for an id that is unknown or hidden from the caller: 200 as if it were gone, or 404."
    )
    inboxes_without_members: Literal["hidden", "visible"] = Field(
        "hidden",
        description="Whether exports of a person include shared inboxes without a member in the lake: for no person, "
        "or for every active agent.",
    )
    bare_token: bool = Field(True, description="Accept a token without the word Bearer before it.")

    @field_validator("link_url")
    @classmethod
    def _strip_slash(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else value

    def limits(self) -> DialectLimits:
        """The shared limits, and separate rates for create and read."""
        return replace(
            DialectSettings.limits(self),
            inboxes_without_members=self.inboxes_without_members == "visible",
            rates={
                READ: per_minute(self.reads_per_minute),
                CREATE: per_minute(self.creates_per_minute),
            },
        )
