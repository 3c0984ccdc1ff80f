"""Values of the clients' interface: what is exported, the job that does it, and the downloaded file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any


class Operation(Enum):
    """An operation that not every dialect has."""

    CANCEL = "cancel"
    DELETE = "delete"
    LIST = "list"


class JobState(Enum):
    """The state of a job, as far as every dialect can express it."""

    OPEN = "open"
    READY = "ready"  # its file can be downloaded
    FAILED = "failed"
    CANCELLED = "cancelled"
    GONE = "gone"  # its file is deleted or expired
    UNKNOWN = "unknown"  # no such job, or a job of another tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export. ``report`` and ``format`` are the dialect's own words; the timespan is half-open, in UTC.

    ``options`` are further fields of the dialect's create request, as they go over the wire.
    """

    report: str
    format: str
    start: datetime
    end: datetime
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Job:
    """A job: its id in the dialect's spelling, and the report it exports ("" if the dialect does not name it)."""

    id: str
    report: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A downloaded file, and what the server says of it."""

    path: Path
    bytes: int
    sha256: str
    etag: str
    media_type: str
