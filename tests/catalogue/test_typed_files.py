"""Every report's typed file, in every format, contains the rows and the types of the report, for every reader."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from offtake.catalogue import BUILT_IN
from offtake.catalogue.publication import default_publication
from offtake.core.attempt.file_metadata import file_metadata
from offtake.core.presentation import present_typed
from offtake.core.report_cases.case import cases_of
from offtake.core.report_cases.run import fill
from offtake.engine.plan import plan
from offtake.formats import format_named
from offtake.model.report import Report
from tests.fixtures.columnar import COLUMNAR, read_columns
from tests.fixtures.row_comparison import assert_same_rows
from tests.fixtures.typed_files import READERS
from tests.property.exporting import catalogue

# The rows of this case have a value in every column; test_cases.py compares the rows of all cases.
CASE = "ordinary"


@pytest.mark.parametrize("name", sorted(catalogue().reports))
def test_a_report_reads_back_as_its_rows_and_types(name: str, tmp_path: Path) -> None:
    (case,) = (case for case in cases_of(name, BUILT_IN / name) if case.folder.name == CASE)
    report, path = catalogue().reports[name], tmp_path / "export"
    expected = case.expected(report)
    zone = ZoneInfo(case.request("native").timespan.zone)
    with fill(case, catalogue(), tmp_path).open(writable=(path,)) as (session, request):
        for format_name, readers in READERS.items():
            file_format = format_named(format_name)
            layout = present_typed(default_publication(report), replace(request, format=format_name, columns=()))
            query = plan(report, layout.shown, request, empty_text_is_null=file_format.empty_text_is_null)
            framing = replace(layout.framing, metadata=file_metadata(report, layout.shown))
            assert file_format.write(session, query, path, framing=framing) == len(expected)
            for reader, read in readers.items():
                readable = _READABLE.get(reader, _of_type)
                shown = [{n: readable(value, zone) for n, value in row.items()} for row in expected]
                try:
                    assert_same_rows(read(path, report), shown, key=() if format_name == "xlsx" else report.key)
                except AssertionError as error:
                    raise AssertionError(f"{case.id}, {format_name} read by {reader}: {error}") from None
            if format_name in COLUMNAR:
                _check_metadata(read_columns(format_name, path.read_bytes()).schema.metadata, report)
            path.unlink()


def _of_type(value: Any, _: ZoneInfo) -> Any:
    return value


def _of_text(value: Any, _: ZoneInfo) -> Any:
    """What Python's reader of CSV tells of a value: null and empty text are equal."""
    return "" if value is None else value


def _of_cell(value: Any, zone: ZoneInfo) -> Any:
    """What a reader of workbooks tells of a value: numbers are floats; dates have no zone and whole seconds."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "; ".join(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) <= 2**53 else str(value)
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        return datetime.fromisoformat(value).astimezone(zone).replace(tzinfo=None, microsecond=0)
    return value


_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_READABLE: dict[str, Callable[[Any, ZoneInfo], Any]] = {"csv": _of_text, "calamine": _of_cell}


def _check_metadata(metadata: Mapping[bytes, bytes], report: Report) -> None:
    assert metadata[b"offtake.report"].decode() == report.name
    assert metadata[b"offtake.report_version"].decode() == report.version
    columns = json.loads(metadata[b"offtake.columns"])
    assert [(c["name"], c["type"], c["meaning"], c["personal"]) for c in columns] == [
        (column.name, column.type, column.meaning, column.personal) for column in report.columns
    ]
