"""Does `user_status` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.property import oracle
from tests.property.exporting import Export, compare_document, in_any_order, microseconds, stored
from tests.strategies import Row, Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@hypothesis.settings(max_examples=100, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(scenarios("agent_state"), st.data())
def test_user_status_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                rows = oracle.user_status(care, timespan, as_of=scenario.asked_at or timespan.end)
                with here.export("user_status", care, timespan, as_of=scenario.asked_at) as export:
                    assert in_any_order(export.rows()) == in_any_order(microseconds(rows))
                    if data.draw(st.booleans(), label="csv"):
                        _compare_csv(export, rows)
                    else:
                        entries = oracle.entries(oracle.USER_STATUS, rows, zone_name=timespan.zone)
                        compare_document(export.json(), entries, slug="user_status")


def _compare_csv(export: Export, rows: list[Row]) -> None:
    header, *lines = export.csv()
    assert header == oracle.csv_header(oracle.USER_STATUS, labels=True)
    zone_name = export.request.timespan.zone
    expected = oracle.csv_lines(oracle.USER_STATUS, rows, zone_name=zone_name, plain=False)
    assert in_any_order(lines) == in_any_order(expected)
