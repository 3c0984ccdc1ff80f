"""What a file of a machine-readable format says about itself (Parquet, Arrow): the report and its columns."""

from __future__ import annotations

import json
from dataclasses import asdict

from offtake import __version__
from offtake.core.attempt.manifest import manifest_columns
from offtake.model.layout import ColumnLayout
from offtake.model.report import Report


def file_metadata(report: Report, shown: ColumnLayout) -> dict[str, str]:
    """Return the key-value metadata: the report, the hash of its definition, the release, and the columns as JSON."""
    columns = [asdict(column) for column in manifest_columns(report, shown)]
    return {
        "offtake.report": report.name,
        "offtake.report_version": report.version,
        "offtake.producer": f"offtake {__version__}",
        "offtake.columns": json.dumps(columns, ensure_ascii=False),
    }
