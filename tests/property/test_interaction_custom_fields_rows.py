"""Does `interaction_custom_fields` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import dataclasses

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.property import oracle_voice
from tests.property.comparing import FEW_EXAMPLES, compare_rows, compare_talkdesk_file
from tests.property.exporting import stored
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
@FEW_EXAMPLES
@hypothesis.given(_scenarios(), st.data())
def test_interaction_custom_fields_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                rows = oracle_voice.interaction_custom_fields(care, timespan)
                with here.export("interaction_custom_fields", care, timespan) as export:
                    compare_rows(export, rows)
                    compare_talkdesk_file(export, rows, oracle_voice.INTERACTION_CUSTOM_FIELDS, data)
