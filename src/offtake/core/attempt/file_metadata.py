"""What a file of a machine-readable format says about itself (Parquet, Arrow): the report and its columns."""

from __future__ import annotations

import json

from offtake import __version__
from offtake.model.layout import ColumnLayout
from offtake.model.report import Report
from offtake.model.typed_values import TYPED_VALUES


def file_metadata(report: Report, shown: ColumnLayout) -> dict[str, str]:
    """Return the key-value metadata: the report, the hash of its definition, the release, and the columns as JSON."""
    known = {column.name: column for column in report.columns}
    columns = [
        {
            "name": header,
            "source": column.name,
            "type": column.type,
            "unit": TYPED_VALUES[column.type].unit,
            "meaning": column.meaning,
            "personal": column.personal,
        }
        for header, column in zip(shown.headers, (known[each.source] for each in shown.columns), strict=True)
    ]
    return {
        "offtake.report": report.name,
        "offtake.report_version": report.version,
        "offtake.producer": f"offtake {__version__}",
        "offtake.columns": json.dumps(columns, ensure_ascii=False),
    }
