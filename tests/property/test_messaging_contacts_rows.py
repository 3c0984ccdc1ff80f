"""Does `messaging_contacts` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.property import oracle, oracle_messaging
from tests.property.exporting import Export, compare_document, in_any_order, microseconds, stored
from tests.strategies import Row, Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(scenarios("messaging_contact"), st.data())
def test_messaging_contacts_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                rows = oracle_messaging.messaging_contacts(care, timespan)
                with here.export("messaging_contacts", care, timespan) as export:
                    assert in_any_order(export.rows()) == in_any_order(microseconds(rows))
                    if data.draw(st.booleans(), label="csv"):
                        _compare_csv(export, rows)
                    else:
                        shape = oracle_messaging.MESSAGING_CONTACTS
                        entries = oracle.entries(shape, rows, zone_name=timespan.zone)
                        compare_document(export.json(), entries, slug="messaging_contacts")


def _compare_csv(export: Export, rows: list[Row]) -> None:
    shape, zone_name = oracle_messaging.MESSAGING_CONTACTS, export.request.timespan.zone
    header, *lines = export.csv()
    assert header == [label.replace("Wrap-Up", "Wrap-up") for label in oracle.csv_header(shape, labels=True)]
    assert in_any_order(lines) == in_any_order(oracle.csv_lines(shape, rows, zone_name=zone_name, plain=False))
