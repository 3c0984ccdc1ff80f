"""Does `user` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from offtake.model.layout import DEFAULT_PATTERN
from offtake.model.request import ReportParameters
from tests.property import oracle_people as oracle
from tests.property.comparing import FEW_EXAMPLES, compare_khoros_entries, compare_rows
from tests.property.exporting import stored
from tests.property.people import chosen_agents, chosen_teams
from tests.strategies import Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@FEW_EXAMPLES
@hypothesis.given(scenarios("agent_state", "team_member"), st.data())
def test_user_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                parameters = ReportParameters(
                    agent_ids=data.draw(chosen_agents(care), label="agents"),
                    team_ids=data.draw(chosen_teams(care), label="teams"),
                    include_disabled=data.draw(st.booleans(), label="include disabled"),
                )
                as_of = scenario.asked_at
                rows = oracle.user(care, timespan, as_of or timespan.end, parameters)
                asked = here.export("user", care, timespan, as_of=as_of, dialect="khoros", parameters=parameters)
                with asked as export:
                    compare_rows(export, rows)
                    for format_name, shape in (("json", oracle.USER), ("csv", oracle.USER_IN_CSV)):
                        compare_khoros_entries(
                            export, rows, shape, format_name=format_name, instant_pattern=DEFAULT_PATTERN
                        )
