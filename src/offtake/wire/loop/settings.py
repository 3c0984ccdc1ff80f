"""The dialect's options, and the limits the core obeys in it. Nearly all of them are proposed by the contract."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from offtake.core.policy import DialectLimits, Rate
from offtake.settings_section import SettingsSection

READ, CREATE = "read", "create"  # operations that are counted apart
MOST_ENTRIES = 100_000  # that a filter may be allowed
_MINUTE = timedelta(minutes=1)


class LoopSettings(SettingsSection):
    """The Loop dialect; defaults are the contract's values."""

    open_jobs: int = Field(10, ge=1, le=1_000_000, description="Unfinished exports of one workspace; more are refused.")
    longest_days: int = Field(366, ge=1, le=36_500, description="Longest period of one export, in days.")
    rows: int | None = Field(
        None,
        ge=1,
        description="An export with more rows fails; nothing is ever cut off. Without it, any number may come.",
    )
    retention_days: float = Field(7.0, gt=0, le=36_500, description="How long a finished file is kept.")
    link_seconds: int = Field(3600, ge=1, le=31_556_952, description="Life of a download link; each read mints one.")
    link_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#]+(/[^?#]*)?$",
        description="Where download links lead, as https://files.example.com, if not to the host of the API. "
        "A proxy there passes requests on to this server.",
    )
    reads_per_minute: int = Field(60, ge=1, le=1_000_000, description="Reads of one token in a minute.")
    creates_per_minute: int = Field(10, ge=1, le=1_000_000, description="Orders of one token in a minute.")
    list_entries: int = Field(1000, ge=1, le=MOST_ENTRIES, description="Entries of one filter.")
    status_dialect: Literal["current", "legacy"] = Field(
        "current", description="Word for exports that are gone: PendingOrExpired, or Expired as in older documents."
    )
    unknown_id: Annotated[Literal["200", "404"], BeforeValidator(str)] = Field(
        "200", description="Answer for an id nobody has, or the caller may not see: 200 as if it were gone, or 404."
    )
    bare_token: bool = Field(True, description="Accept a token without the word Bearer before it.")

    @field_validator("link_url")
    @classmethod
    def _no_slash(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else value


def limits(settings: LoopSettings) -> DialectLimits:
    """Loop contract 5.2, 8 and 9, as far as the core counts and measures."""
    return DialectLimits(
        open_jobs=settings.open_jobs,
        longest_timespan=timedelta(days=settings.longest_days),
        rows=settings.rows,
        retention=timedelta(days=settings.retention_days),
        link_life=timedelta(seconds=settings.link_seconds),
        token_life=timedelta(),  # the dialect issues none: people bring theirs
        rates={
            READ: Rate(requests=settings.reads_per_minute, period=_MINUTE),
            CREATE: Rate(requests=settings.creates_per_minute, period=_MINUTE),
        },
    )
