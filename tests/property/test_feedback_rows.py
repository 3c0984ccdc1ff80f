"""Does `feedback` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.property import oracle, oracle_flow
from tests.property.exporting import Export, compare_document, in_any_order, microseconds, stored
from tests.strategies import Row, Scenario, scenarios

SHAPE = oracle_flow.FEEDBACK


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(scenarios("feedback"), st.data())
def test_feedback_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                rows = oracle_flow.feedback(care, timespan)
                with here.export("feedback", care, timespan) as export:
                    assert in_any_order(export.rows()) == in_any_order(microseconds(rows))
                    if data.draw(st.booleans(), label="csv"):
                        _compare_csv(export, rows)
                    else:
                        entries = oracle.entries(SHAPE, rows, zone_name=timespan.zone)
                        compare_document(export.json(), entries, slug="feedback")


def _compare_csv(export: Export, rows: list[Row]) -> None:
    header, *lines = export.csv()
    assert header == oracle_flow.csv_header(SHAPE)
    zone_name = export.request.timespan.zone
    assert in_any_order(lines) == in_any_order(oracle.csv_lines(SHAPE, rows, zone_name=zone_name, plain=False))
