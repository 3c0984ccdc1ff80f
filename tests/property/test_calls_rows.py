"""Does `calls` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.property import oracle
from tests.property.comparing import compare_document, compare_rows
from tests.property.exporting import Export, in_any_order, stored
from tests.property.shapes import Shape, csv_labels, csv_lines, csv_names, entries
from tests.property.talkdesk_values import with_local_times
from tests.strategies import Row, Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@hypothesis.settings(max_examples=100, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(scenarios("call"), st.data())
def test_calls_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                rows = oracle.calls(care, timespan)
                legacy = data.draw(st.booleans(), label="legacy columns")
                shape = tuple(column for column in oracle.CALLS if legacy or column[0] not in oracle.LEGACY)
                with here.export("calls", care, timespan) as export:
                    compare_rows(export, rows)
                    if data.draw(st.booleans(), label="csv"):
                        _compare_csv(export, shape, rows, data)
                    else:
                        document = export.json(legacy_columns=legacy)
                        compare_document(document, entries(shape, rows, zone_name=timespan.zone), slug="calls")


def _compare_csv(export: Export, shape: Shape, rows: list[Row], data: st.DataObject) -> None:
    labels, plain = data.draw(st.booleans(), label="labels"), data.draw(st.booleans(), label="plain instants")
    header, *lines = export.csv(
        legacy_columns=len(shape) == len(oracle.CALLS),
        csv_header="labels" if labels else "names",
        csv_datetimes="plain" if plain else "as_json",
    )
    assert header == (csv_labels(shape) if labels else csv_names(shape))
    zone_name = export.request.timespan.zone
    expected = csv_lines(with_local_times(shape) if plain else shape, rows, zone_name=zone_name)
    assert in_any_order(lines) == in_any_order(expected)
