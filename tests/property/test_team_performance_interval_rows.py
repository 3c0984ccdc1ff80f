"""Does `team_performance_interval` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

from datetime import timedelta

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from offtake.model.layout import DEFAULT_PATTERN
from offtake.model.request import ReportParameters
from offtake.model.timespan import Timespan
from tests.property import oracle_people as oracle
from tests.property.comparing import FEW_EXAMPLES, compare_khoros_entries, compare_rows
from tests.property.exporting import stored
from tests.property.people import about_conversations, work
from tests.strategies import Scenario, scenarios

HOUR = 3_600_000
LISTED = (HOUR // 12, HOUR // 6, HOUR // 4, HOUR // 2, HOUR, *(hours * HOUR for hours in (2, 4, 8, 12, 24, 168)))
MONTHS = 168 * HOUR + 1


def intervals(timespan: Timespan) -> SearchStrategy[int]:
    """The intervals that make no more than some hundred buckets, the ones that follow the calendar among them."""
    length = timespan.end - timespan.start
    fitting = [each for each in LISTED if length / timedelta(milliseconds=each) < 150]
    return st.sampled_from([*fitting, *fitting[-2:], MONTHS])


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@FEW_EXAMPLES
@hypothesis.given(scenarios("conversation", "agent_state", "team_member"), st.data())
def test_team_performance_interval_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    cares = tuple(data.draw(work(care, scenario.timespans)) for care in scenario.tenants)
    with stored(cares) as here:
        for care in cares:
            for timespan in scenario.timespans:
                parameters = ReportParameters(
                    interval_milliseconds=data.draw(intervals(timespan), label="interval"),
                    **data.draw(about_conversations(care), label="filters"),
                )
                as_of = scenario.asked_at or timespan.end
                asked = oracle.Asked(care=care, timespan=timespan, as_of=as_of, parameters=parameters)
                rows = oracle.team_performance_interval(asked)
                with here.export(
                    "team_performance_interval", care, timespan, as_of=as_of, dialect="khoros", parameters=parameters
                ) as export:
                    compare_rows(export, rows)
                    compare_khoros_entries(
                        export, rows, oracle.TEAM_PERFORMANCE_INTERVAL, instant_pattern=DEFAULT_PATTERN
                    )
