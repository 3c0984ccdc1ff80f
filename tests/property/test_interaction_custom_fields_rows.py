"""Does `interaction_custom_fields` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import dataclasses

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.property import oracle, oracle_voice
from tests.property.exporting import Export, compare_document, in_any_order, microseconds, stored
from tests.strategies import Care, Row, Scenario, scenarios


@st.composite
def _scenarios(draw: DrawFn) -> Scenario:
    """Calls without any field, and rows of the other channels that say VOICE: chance alone hardly makes them."""
    scenario = draw(scenarios("call", "custom_field"))
    return dataclasses.replace(scenario, tenants=tuple(_thinned(draw, care) for care in scenario.tenants))


def _thinned(draw: DrawFn, care: Care) -> Care:
    emptied = st.booleans()
    calls = tuple(_without_fields(call) if draw(emptied) else call for call in care.rows["call"])
    channels = st.sampled_from(("VOICE", "voice", "EMAIL"))
    fields = tuple({**field, "channel": draw(channels)} for field in care.rows["custom_field"])
    return dataclasses.replace(care, rows={**care.rows, "call": calls, "custom_field": fields})


def _without_fields(call: Row) -> Row:
    return {name: None if "_custom_" in name else value for name, value in call.items()}


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(_scenarios(), st.data())
def test_interaction_custom_fields_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                rows = oracle_voice.interaction_custom_fields(care, timespan)
                with here.export("interaction_custom_fields", care, timespan) as export:
                    assert in_any_order(export.rows()) == in_any_order(microseconds(rows))
                    if data.draw(st.booleans(), label="csv"):
                        _compare_csv(export, rows, data)
                    else:
                        entries = oracle.entries(oracle_voice.INTERACTION_CUSTOM_FIELDS, rows, zone_name=timespan.zone)
                        compare_document(export.json(), entries, slug="interaction_custom_fields")


def _compare_csv(export: Export, rows: list[Row], data: st.DataObject) -> None:
    labels = data.draw(st.booleans(), label="labels")
    header, *lines = export.csv(csv_header="labels" if labels else "names")
    assert header == oracle.csv_header(oracle_voice.INTERACTION_CUSTOM_FIELDS, labels=labels)
    zone_name = export.request.timespan.zone
    expected = oracle.csv_lines(oracle_voice.INTERACTION_CUSTOM_FIELDS, rows, zone_name=zone_name, plain=False)
    assert in_any_order(lines) == in_any_order(expected)
