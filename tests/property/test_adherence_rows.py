"""Does `adherence` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import json

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.property.comparing import FEW_EXAMPLES, compare_document, compare_rows
from tests.property.exporting import in_any_order, stored
from tests.property.oracle_workforce import ADHERENCE, adherence
from tests.property.shapes import csv_labels, csv_lines, entries
from tests.strategies import Row, Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@FEW_EXAMPLES
@hypothesis.given(scenarios("adherence_event"), st.data())
def test_adherence_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                rows = adherence(care, timespan)
                expected = entries(ADHERENCE, rows, zone_name=timespan.zone)
                with here.export("adherence", care, timespan) as export:
                    compare_rows(export, rows)
                    if data.draw(st.booleans(), label="csv"):
                        header, *lines = export.csv()
                        assert header == csv_labels(ADHERENCE)
                        cells = csv_lines(ADHERENCE, rows, zone_name=timespan.zone)
                        assert in_any_order(map(_read, lines)) == in_any_order(map(_read, cells))
                    else:
                        document = export.json()
                        document["entries"] = [_queues_read(entry) for entry in document["entries"]]
                        compare_document(document, [_queues_read(entry) for entry in expected], slug="adherence")


QUEUES = [name for name, _, _ in ADHERENCE].index("agent_ring_groups")


def _queues_read(entry: Row) -> Row:
    """A JSON text may be escaped in more than one way; what it says counts."""
    text = entry["agent_ring_groups"]
    return {**entry, "agent_ring_groups": None if text is None else json.loads(text)}


def _read(cells: list[str]) -> list[object]:
    return [json.loads(cell) if n == QUEUES and cell else cell for n, cell in enumerate(cells)]
