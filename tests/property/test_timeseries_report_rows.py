"""Does `timeseries_report` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.property import oracle
from tests.property import oracle_workforce as workforce
from tests.property.exporting import compare_document, in_any_order, microseconds, stored
from tests.strategies import Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(scenarios("workforce_interval"), st.data())
def test_timeseries_report_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    shape = workforce.TIMESERIES_REPORT
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                rows = workforce.timeseries_report(care, timespan)
                with here.export("timeseries_report", care, timespan) as export:
                    assert in_any_order(export.rows()) == in_any_order(microseconds(rows))
                    if data.draw(st.booleans(), label="csv"):
                        header, *lines = export.csv()
                        assert header == oracle.csv_header(shape, labels=True)
                        expected = oracle.csv_lines(shape, rows, zone_name=timespan.zone, plain=False)
                        assert in_any_order(lines) == in_any_order(expected)
                    else:
                        entries = oracle.entries(shape, rows, zone_name=timespan.zone)
                        compare_document(export.json(), entries, slug="timeseries_report")
