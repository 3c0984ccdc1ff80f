"""Does `team_performance` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from offtake.model.layout import DEFAULT_PATTERN
from offtake.model.request import ReportParameters
from tests.property import oracle_people as oracle
from tests.property.comparing import FEW_EXAMPLES, compare_khoros_entries, compare_rows
from tests.property.exporting import stored
from tests.property.people import about_conversations, work
from tests.strategies import Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@FEW_EXAMPLES
@hypothesis.given(scenarios("conversation", "agent_state", "team_member"), st.data())
def test_team_performance_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    cares = tuple(data.draw(work(care, scenario.timespans)) for care in scenario.tenants)
    with stored(cares) as here:
        for care in cares:
            for timespan in scenario.timespans:
                parameters = ReportParameters(**data.draw(about_conversations(care), label="filters"))
                as_of = scenario.asked_at or timespan.end
                asked = oracle.Asked(care=care, timespan=timespan, as_of=as_of, parameters=parameters)
                rows = oracle.team_performance(asked)
                with here.export(
                    "team_performance", care, timespan, as_of=as_of, dialect="khoros", parameters=parameters
                ) as export:
                    compare_rows(export, rows)
                    compare_khoros_entries(export, rows, oracle.TEAM_PERFORMANCE, instant_pattern=DEFAULT_PATTERN)
