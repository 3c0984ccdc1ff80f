"""Does `messaging_traffic` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.property import oracle, oracle_messaging
from tests.property.exporting import Export, compare_document, in_any_order, microseconds, stored
from tests.strategies import Row, Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(scenarios("messaging_traffic", "messaging_contact"), st.data())
def test_messaging_traffic_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                rows = oracle_messaging.messaging_traffic(care, timespan)
                with here.export("messaging_traffic", care, timespan) as export:
                    assert in_any_order(export.rows()) == in_any_order(microseconds(rows))
                    if data.draw(st.booleans(), label="csv"):
                        _compare_csv(export, rows)
                    else:
                        shape = oracle_messaging.MESSAGING_TRAFFIC
                        entries = oracle.entries(shape, rows, zone_name=timespan.zone)
                        compare_document(export.json(), entries, slug="messaging_traffic")


def _compare_csv(export: Export, rows: list[Row]) -> None:
    shape, zone_name = oracle_messaging.MESSAGING_TRAFFIC, export.request.timespan.zone
    header, *lines = export.csv()
    assert header == oracle.csv_header(shape, labels=True)
    assert in_any_order(lines) == in_any_order(oracle.csv_lines(shape, rows, zone_name=zone_name, plain=False))
