"""Does `user` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from offtake.model.request import Parameters
from tests.property import oracle_people as oracle
from tests.property.exporting import in_any_order, microseconds, stored
from tests.property.people import chosen_agents, chosen_teams
from tests.strategies import Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(scenarios("agent_state", "team_member"), st.data())
def test_user_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                parameters = Parameters(
                    agent_ids=data.draw(chosen_agents(care), label="agents"),
                    team_ids=data.draw(chosen_teams(care), label="teams"),
                    include_disabled=data.draw(st.booleans(), label="include disabled"),
                )
                as_of = scenario.asked_at
                rows = oracle.user(care, timespan, as_of or timespan.end, parameters)
                asked = here.export("user", care, timespan, as_of=as_of, dialect="khoros", parameters=parameters)
                with asked as export:
                    assert in_any_order(export.rows()) == in_any_order(microseconds(rows))
                    for format_name, shape in (("json", oracle.USER), ("csv", oracle.USER_IN_CSV)):
                        entries = oracle.entries(shape, rows, zone_name=timespan.zone)
                        assert in_any_order(export.shown(format_name=format_name)) == in_any_order(entries)
