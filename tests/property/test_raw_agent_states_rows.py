"""Does `raw_agent_states` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from offtake.model.layout import DEFAULT_PATTERN
from offtake.model.request import ReportParameters
from tests.property import oracle_people as oracle
from tests.property.comparing import FEW_EXAMPLES, compare_khoros_entries, compare_rows
from tests.property.exporting import stored
from tests.property.people import chosen_teams
from tests.strategies import Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@FEW_EXAMPLES
@hypothesis.given(scenarios("agent_state", "team_member"), st.data())
def test_raw_agent_states_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                parameters = ReportParameters(team_ids=data.draw(chosen_teams(care), label="teams"))
                as_of = scenario.asked_at
                rows = oracle.raw_agent_states(care, timespan, as_of or timespan.end, parameters)
                asked = here.export(
                    "raw_agent_states", care, timespan, as_of=as_of, dialect="khoros", parameters=parameters
                )
                with asked as export:
                    compare_rows(export, rows)
                    compare_khoros_entries(export, rows, oracle.RAW_AGENT_STATES, instant_pattern=DEFAULT_PATTERN)
