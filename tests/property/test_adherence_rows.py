"""Does `adherence` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import json

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.property import oracle
from tests.property import oracle_workforce as workforce
from tests.property.exporting import compare_document, in_any_order, microseconds, stored
from tests.strategies import Row, Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(scenarios("adherence_event"), st.data())
def test_adherence_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                rows = workforce.adherence(care, timespan)
                entries = oracle.entries(workforce.ADHERENCE, rows, zone_name=timespan.zone)
                with here.export("adherence", care, timespan) as export:
                    assert in_any_order(export.rows()) == in_any_order(microseconds(rows))
                    if data.draw(st.booleans(), label="csv"):
                        header, *lines = export.csv()
                        assert header == oracle.csv_header(workforce.ADHERENCE, labels=True)
                        expected = [_read([oracle.csv_cell(value) for value in entry.values()]) for entry in entries]
                        assert in_any_order([_read(line) for line in lines]) == in_any_order(expected)
                    else:
                        document = export.json()
                        document["entries"] = [_queues_read(entry) for entry in document["entries"]]
                        compare_document(document, [_queues_read(entry) for entry in entries], slug="adherence")


QUEUES = [name for name, _, _ in workforce.ADHERENCE].index("agent_ring_groups")


def _queues_read(entry: Row) -> Row:
    """A JSON text may be escaped in more than one way; what it says counts."""
    text = entry["agent_ring_groups"]
    return {**entry, "agent_ring_groups": None if text is None else json.loads(text)}


def _read(cells: list[str]) -> list[object]:
    return [json.loads(cell) if n == QUEUES and cell else cell for n, cell in enumerate(cells)]
