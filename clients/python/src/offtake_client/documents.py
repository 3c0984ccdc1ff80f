"""The values that the server answers with. The reference of the native API describes every field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

OPEN_STATES = frozenset({"queued", "running", "uploading"})


@dataclass(frozen=True)
class Notice:
    """What a reader should know about the data of an export."""

    code: str
    table: str
    detail: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """How far an export is. None means that the number is not known."""

    phase: str
    rows: int | None = None
    estimated_rows: int | None = None
    percent: float | None = None


@dataclass(frozen=True)
class Failure:
    """Why an export failed."""

    code: str
    detail: str


@dataclass(frozen=True)
class ExportInfo:
    """An export and its state, as the server answered last."""

    id: str
    state: str
    report: str
    format: str
    created_at: datetime
    progress: Progress
    name: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    held: bool = False
    attempt: int = 0
    position: int | None = None
    expected_end: datetime | None = None
    rows: int | None = None
    bytes: int | None = None
    error: Failure | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether the export has not ended."""
        return self.state in OPEN_STATES


@dataclass(frozen=True)
class Update:
    """A change of an export. ``eta`` is the instant at which it will probably end; None if it is not known."""

    state: str
    phase: str
    rows: int | None
    percent: float | None
    eta: datetime | None
    position: int | None


@dataclass(frozen=True)
class ExportPage:
    """A page of exports, newest first."""

    exports: tuple[ExportInfo, ...]
    next: str | None = None


@dataclass(frozen=True)
class Estimate:
    """What an export would probably have, if it was created now."""

    rows: int | None = None
    bytes: int | None = None
    seconds: int | None = None
    files: int | None = None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class PreviewColumn:
    """A column of a preview."""

    name: str
    type: str


@dataclass(frozen=True)
class Preview:
    """The first rows of a request; ``truncated`` says whether an export may have more."""

    report: str
    columns: tuple[PreviewColumn, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool
    notices: tuple[Notice, ...] = ()


# --- manifests -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ManifestColumn:
    """A column of the files."""

    name: str
    type: str
    meaning: str = ""
    unit: str | None = None
    personal: bool = False


@dataclass(frozen=True)
class Blocks:
    """SHA-256 of the blocks of a file; all but the last have ``size`` bytes."""

    size: int
    sha256: tuple[str, ...]


@dataclass(frozen=True)
class ManifestFile:
    """One file of an export."""

    name: str
    rows: int
    bytes: int
    sha256: str
    blocks: Blocks | None = None


@dataclass(frozen=True)
class Manifest:
    """The files of an export with their checksums, and what they were made of."""

    export: str
    report: str
    rows: int
    bytes: int
    files: tuple[ManifestFile, ...]
    columns: tuple[ManifestColumn, ...] = ()
    request: Mapping[str, Any] = field(default_factory=dict)
    lake_versions: Mapping[str, Any] = field(default_factory=dict)
    report_version: str | None = None
    as_of: datetime | None = None
    watermark: datetime | None = None
    notices: tuple[Notice, ...] = ()


# --- reports and limits ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReportSummary:
    """A report in the list of reports."""

    name: str
    title: str
    grain: str
    version: str
    columns: int


@dataclass(frozen=True)
class ReportList:
    """All reports that the caller may export."""

    reports: tuple[ReportSummary, ...]


@dataclass(frozen=True)
class Column:
    """A column of a report."""

    name: str
    type: str
    meaning: str = ""
    unit: str | None = None
    personal: bool = False
    nullable: bool = True
    key: bool = False
    varies: bool = False  # whether the value of a row depends on the timespan of the request
    operators: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """A parameter of a report; ``accepts`` is the JSON Schema of its values."""

    name: str
    meaning: str
    accepts: Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """A report: what its rows are, and what an export of it may contain."""

    name: str
    title: str
    grain: str
    version: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    window: str | None = None
    consecutive: str = ""
    parameters: tuple[Parameter, ...] = ()
    formats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rate:
    """How many requests of one credential are answered in so many seconds."""

    requests: int
    seconds: int


@dataclass(frozen=True)
class Limits:
    """What the caller may export and keep. None: there is no such limit."""

    open_exports: int
    longest_days: int | None = None
    rows: int | None = None
    retention_days: float | None = None
    longest_retention_days: float | None = None
    holds: bool = False
    link_seconds: int | None = None
    kept_bytes: int | None = None
    kept_files: int | None = None
    kept_rows: int | None = None
    daily_bytes: int | None = None
    rates: Mapping[str, Rate] = field(default_factory=dict)
    formats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Usage:
    """What the account uses of its limits."""

    open_exports: int
    kept_files: int
    kept_bytes: int
    kept_rows: int
    daily_bytes: int
    next_expiry: datetime | None = None
