"""Does `ring_attempts` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.property import oracle, oracle_voice
from tests.property.exporting import Export, compare_document, in_any_order, microseconds, stored
from tests.strategies import Row, Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(scenarios("ring_attempt"), st.data())
def test_ring_attempts_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                rows = oracle_voice.ring_attempts(care, timespan)
                with here.export("ring_attempts", care, timespan) as export:
                    assert in_any_order(export.rows()) == in_any_order(microseconds(rows))
                    if data.draw(st.booleans(), label="csv"):
                        _compare_csv(export, rows, data)
                    else:
                        entries = oracle.entries(oracle_voice.RING_ATTEMPTS, rows, zone_name=timespan.zone)
                        compare_document(export.json(), entries, slug="ring_attempts")


def _compare_csv(export: Export, rows: list[Row], data: st.DataObject) -> None:
    labels = data.draw(st.booleans(), label="labels")
    header, *lines = export.csv(csv_header="labels" if labels else "names")
    assert header == oracle.csv_header(oracle_voice.RING_ATTEMPTS, labels=labels)
    zone_name = export.request.timespan.zone
    expected = oracle.csv_lines(oracle_voice.RING_ATTEMPTS, rows, zone_name=zone_name, plain=False)
    assert in_any_order(lines) == in_any_order(expected)
