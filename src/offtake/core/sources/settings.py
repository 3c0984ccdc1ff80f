"""Options of one unattended source: ``[sources.<name>]``."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from offtake.lake.ingest.max_rejects import parse_max_rejects
from offtake.lake.tables import tables
from offtake.model.source import WatchPolicy
from offtake.settings_section import Seconds, SettingsSection

SourceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]


class SourceSettings(SettingsSection):
    """A folder or bucket whose new files the maintenance loop loads."""

    tenant: str = Field(description="Tenant that owns the rows.")
    table: str | None = Field(None, description="Table of the files; with `mapping` it may be left out.")
    mapping: str | None = Field(None, description="Mapping file; a relative path is in the home folder.")
    location: str = Field(
        repr=False,
        min_length=1,
        description="Folder, or URL such as file:///folder or s3://bucket/prefix; a relative path is in the home "
        "folder.",
    )
    pattern: str = Field(min_length=1, description="Which names are loaded, such as *.csv.")
    format: str | None = Field(None, description="Format of the files, whatever their names say.")
    every_seconds: Seconds = Field(30.0, ge=0.1, description="Interval between two looks at the location.")
    unchanged_seconds: Seconds = Field(
        10.0, ge=0, description="How long a local file has to stay the same before it is loaded."
    )
    max_rejects: str = Field("0", description="Bad rows, as 10 or 0.5%, with which a file is still loaded.")
    attempts: int = Field(5, ge=1, le=100, description="Attempts at a file before it is quarantined.")
    retry_seconds: Seconds = Field(10.0, ge=0, description="Delay before the second attempt; it doubles each time.")
    complete_until_newest: bool = Field(
        False, description="Each file declares its table complete until its newest event time."
    )

    @field_validator("max_rejects")
    @classmethod
    def _check_max_rejects(cls, value: str) -> str:
        parse_max_rejects(value)
        return value

    @model_validator(mode="after")
    def _check_table(self) -> Self:
        if self.table is None and self.mapping is None:
            raise ValueError("a source needs table or mapping")
        if self.table is not None and self.table not in tables():
            raise ValueError(f"{self.table!r} is no table; offtake tables list shows them")
        return self

    def policy(self) -> WatchPolicy:
        """Return when files are loaded and how often they are tried."""
        return WatchPolicy(
            every=timedelta(seconds=self.every_seconds),
            unchanged=timedelta(seconds=self.unchanged_seconds),
            attempts=self.attempts,
            retry_delay=timedelta(seconds=self.retry_seconds),
        )
