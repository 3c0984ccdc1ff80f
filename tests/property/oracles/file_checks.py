"""Comparisons of a file, as a dialect writes it, with the rows that an oracle expects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from tests.property.exporting import Export, in_any_order
from tests.property.oracles.khoros_values import ENGLISH
from tests.property.oracles.shapes import Shape, csv_labels, csv_lines, csv_names, entries
from tests.strategies import Row

CheckFile = Callable[[Export, list[Row], st.DataObject], None]


def check_document(document: dict[str, Any], expected: list[Any], *, slug: str) -> None:
    """The JSON file of Talkdesk contract 5.1 holds exactly these entries."""
    found = document.pop("entries")
    assert document == {"type": slug, "version": "v1", "total": len(expected)}
    assert in_any_order(found) == in_any_order(expected)


def talkdesk_file(shape: Shape, *, labels: Sequence[str] = ()) -> CheckFile:
    """The JSON file or the CSV file with either header line; ``labels`` for reports whose labels follow no rule."""

    def check(export: Export, rows: list[Row], data: st.DataObject) -> None:
        zone_name = export.request.timespan.zone
        if not data.draw(st.booleans(), label="csv"):
            check_document(export.json(), entries(shape, rows, zone_name=zone_name), slug=export.request.report)
            return
        labelled = data.draw(st.booleans(), label="labels")
        header, *lines = export.csv(csv_header="labels" if labelled else "names")
        assert header == ((list(labels) or csv_labels(shape)) if labelled else csv_names(shape))
        assert in_any_order(lines) == in_any_order(csv_lines(shape, rows, zone_name=zone_name))

    return check


def khoros_entries(shape: Shape, *, csv_shape: Shape | None = None, instant_pattern: str = ENGLISH) -> CheckFile:
    """The entries that Khoros shows in JSON and, where the columns of CSV differ (``csv_shape``), also those."""
    shapes = {"json": shape} if csv_shape is None else {"json": shape, "csv": csv_shape}

    def check(export: Export, rows: list[Row], data: st.DataObject) -> None:
        for format_name, shown in shapes.items():
            found = export.shown(format_name=format_name, instant_pattern=instant_pattern)
            expected = entries(shown, rows, zone_name=export.request.timespan.zone)
            assert in_any_order(found) == in_any_order(expected)

    return check
