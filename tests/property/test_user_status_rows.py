"""Does `user_status` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.property import oracle
from tests.property.comparing import compare_rows, compare_talkdesk_file
from tests.property.exporting import stored
from tests.strategies import Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@hypothesis.settings(max_examples=100, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(scenarios("agent_state"), st.data())
def test_user_status_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                rows = oracle.user_status(care, timespan, as_of=scenario.asked_at or timespan.end)
                with here.export("user_status", care, timespan, as_of=scenario.asked_at) as export:
                    compare_rows(export, rows)
                    compare_talkdesk_file(export, rows, oracle.USER_STATUS, data)
