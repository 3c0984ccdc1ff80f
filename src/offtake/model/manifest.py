"""The manifest of an export: its files, and the data and the definition that they were made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from offtake.model.artifact import Artifact, ArtifactFile, artifact_of
from offtake.model.notice import Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestColumn:
    """One column of the files, in their order."""

    name: str  # as the files spell it
    source: str  # column of the report
    type: str  # ``model.column_type.ColumnType``
    meaning: str
    unit: str | None
    personal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """Two counts of the same rows that an attempt compared before it published."""

    what: str  # the rows that were counted
    expected: int  # counted in the lake without the report's joins
    written: int  # counted in the files


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a job publishes. A manifest is stored with all files or not at all, so it is always complete."""

    report: str
    report_version: str | None  # hash of the report's definition; None: an older release published the export
    columns: tuple[ManifestColumn, ...]
    request: Mapping[str, Any]  # the request as JSON
    as_of: datetime | None  # later data is ignored
    watermark: datetime | None  # the data is complete up to here; rows from here on are excluded
    lake_versions: Mapping[str, int | None]  # version of each lake table that was read; None: it was never loaded
    reconciled: tuple[Reconciliation, ...]
    producer: str | None  # release that made the files; None: one that recorded no manifest
    files: tuple[ArtifactFile, ...]
    notices: tuple[Notice, ...] = ()  # about tables without rows

    @property
    def artifact(self) -> Artifact:
        """The totals that the job's row records."""
        return artifact_of(self.files)
