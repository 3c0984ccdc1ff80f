"""Comparisons of a file, as a dialect writes it, with the rows that an oracle expects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from tests.fixtures.row_comparison import assert_same_rows
from tests.property.exporting import Export
from tests.property.oracles.khoros_values import ENGLISH
from tests.property.oracles.shapes import Shape, csv_labels, csv_lines, csv_names, entries
from tests.strategies import Row

CheckFile = Callable[[Export, list[Row], st.DataObject], None]


def check_document(document: dict[str, Any], expected: list[Any], *, slug: str, key: Sequence[str]) -> None:
    """The JSON file of Talkdesk contract 5.1 holds exactly these entries."""
    assert_same_rows(document.pop("entries"), expected, key=key)
    assert document == {"type": slug, "version": "v1", "total": len(expected)}


def check_lines(found: list[Any], expected: list[Any], *, names: Sequence[str], key: Sequence[str]) -> None:
    """The lines of a CSV file, without its header line, hold exactly these cells."""
    found_rows, expected_rows = ([dict(zip(names, line, strict=True)) for line in lines] for lines in (found, expected))
    assert_same_rows(found_rows, expected_rows, key=key)


def talkdesk_file(shape: Shape, *, labels: Sequence[str] = ()) -> CheckFile:
    """The JSON file or the CSV file with either header line; ``labels`` for reports whose labels follow no rule."""

    def check(export: Export, rows: list[Row], data: st.DataObject) -> None:
        zone_name = export.request.timespan.zone
        if not data.draw(st.booleans(), label="csv"):
            expected = entries(shape, rows, zone_name=zone_name)
            check_document(export.json(), expected, slug=export.request.report, key=export.shown_key)
            return
        labelled = data.draw(st.booleans(), label="labels")
        header, *lines = export.csv(csv_header="labels" if labelled else "names")
        assert header == ((list(labels) or csv_labels(shape)) if labelled else csv_names(shape))
        expected_lines = csv_lines(shape, rows, zone_name=zone_name)
        check_lines(lines, expected_lines, names=csv_names(shape), key=export.shown_key)

    return check


def khoros_entries(shape: Shape, *, csv_shape: Shape | None = None, instant_pattern: str = ENGLISH) -> CheckFile:
    """The entries that Khoros shows in JSON and, where the columns of CSV differ (``csv_shape``), also those."""
    shapes = {"json": shape} if csv_shape is None else {"json": shape, "csv": csv_shape}

    def check(export: Export, rows: list[Row], data: st.DataObject) -> None:
        for format_name, shown in shapes.items():
            found = export.shown(format_name=format_name, instant_pattern=instant_pattern)
            expected = entries(shown, rows, zone_name=export.request.timespan.zone)
            assert_same_rows(found, expected, key=export.shown_key)

    return check
