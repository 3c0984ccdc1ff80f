"""What a report yields and what its files hold, held against what an independent calculation says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hypothesis
from hypothesis import strategies as st

from tests.property.exporting import Export, in_any_order, microseconds
from tests.property.khoros_values import ENGLISH
from tests.property.shapes import Shape, csv_labels, csv_lines, csv_names, entries
from tests.strategies import Row

# Each example loads a lake and exports from it, which takes a good part of a second.
FEW_EXAMPLES = hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))


def compare_rows(export: Export, rows: list[Row]) -> None:
    """The report yields exactly these rows."""
    assert in_any_order(export.rows()) == in_any_order(microseconds(rows))


def compare_document(document: dict[str, Any], expected: list[Any], *, slug: str) -> None:
    """The json file of Talkdesk contract 5.1 holds exactly these entries."""
    found = document.pop("entries")
    assert document == {"type": slug, "version": "v1", "total": len(expected)}
    assert in_any_order(found) == in_any_order(expected)


def compare_talkdesk_file(
    export: Export, rows: list[Row], shape: Shape, data: st.DataObject, *, labels: Sequence[str] = ()
) -> None:
    """The json file or, as ``data`` has it, the csv file with either header line; ``labels`` where no rule gives it."""
    zone_name = export.request.timespan.zone
    if not data.draw(st.booleans(), label="csv"):
        compare_document(export.json(), entries(shape, rows, zone_name=zone_name), slug=export.request.report)
        return
    labelled = data.draw(st.booleans(), label="labels")
    header, *lines = export.csv(csv_header="labels" if labelled else "names")
    assert header == ((list(labels) or csv_labels(shape)) if labelled else csv_names(shape))
    assert in_any_order(lines) == in_any_order(csv_lines(shape, rows, zone_name=zone_name))


def compare_khoros_entries(
    export: Export, rows: list[Row], shape: Shape, *, format_name: str = "json", instant_pattern: str = ENGLISH
) -> None:
    """The rows as Khoros shows them."""
    shown = export.shown(format_name=format_name, instant_pattern=instant_pattern)
    expected = entries(shape, rows, zone_name=export.request.timespan.zone)
    assert in_any_order(shown) == in_any_order(expected)
