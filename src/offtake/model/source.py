"""Sources: folders or buckets whose new files are loaded without an operator, and the states of their files.

waiting ──> loading ──> loaded
   ^           ├──────> quarantined
   └───────────┘ after a transient error, or if the process ended before the commit
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class FileState(StrEnum):
    """State of a file of a source."""

    WAITING = "waiting"
    LOADING = "loading"
    LOADED = "loaded"
    QUARANTINED = "quarantined"  # its data is bad, or every attempt failed; it stays where it is


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPolicy:
    """When a file of a source is loaded, and how often it is tried."""

    every: timedelta = timedelta(seconds=30)  # between two looks at the location
    unchanged: timedelta = timedelta(seconds=10)  # how long a local file has to stay the same before it is loaded
    attempts: int = 5
    retry_delay: timedelta = timedelta(seconds=10)  # before the second attempt; it doubles each time


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRef:
    """A source of a tenant."""

    tenant: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """The record of a file. It has no rows and no values."""

    name: str
    bytes: int
    fingerprint: str  # changes with the content: the time of the last change, or the ETag
    state: FileState
    changed_at: datetime  # when this content was seen first
    attempts: int
    not_before: datetime  # of the next attempt
    load: str | None  # id of the last load
    error: str | None  # code of the last error
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSummary:
    """The number of files of a source by state, and when the last one was loaded."""

    source: SourceRef
    files: dict[FileState, int]
    last_success: datetime | None
