"""The manifest of an attempt's files."""

from __future__ import annotations

from collections.abc import Sequence

from offtake import __version__
from offtake.core.attempt.pinned_files import PinnedFiles
from offtake.core.exports.manifest import describe_request
from offtake.model.artifact import ArtifactFile
from offtake.model.layout import ColumnLayout
from offtake.model.manifest import Manifest, ManifestColumn, Reconciliation
from offtake.model.report import Report
from offtake.model.request import ExportRequest
from offtake.model.typed_values import TYPED_VALUES


def build_manifest(
    report: Report,
    request: ExportRequest,
    shown: ColumnLayout,
    *,
    read: PinnedFiles,
    reconciled: Sequence[Reconciliation],
    files: Sequence[ArtifactFile],
) -> Manifest:
    """Return the manifest of files with these columns, made by ``report`` from the files that the attempt read."""
    return Manifest(
        report=report.name,
        report_version=report.version,
        columns=manifest_columns(report, shown),
        request=describe_request(request),
        as_of=request.as_of,
        watermark=request.watermark,
        lake_versions=read.located.versions,
        reconciled=tuple(reconciled),
        producer=f"offtake {__version__}",
        files=tuple(files),
        notices=read.notices,
    )


def manifest_columns(report: Report, shown: ColumnLayout) -> tuple[ManifestColumn, ...]:
    """Return the columns of a file, with what the report says about each."""
    by_name = {column.name: column for column in report.columns}
    sources = [(header, by_name[column.source]) for header, column in zip(shown.headers, shown.columns, strict=True)]
    return tuple(
        ManifestColumn(
            name=header,
            source=column.name,
            type=column.type,
            meaning=column.meaning,
            unit=TYPED_VALUES[column.type].unit,
            personal=column.personal,
        )
        for header, column in sources
    )
