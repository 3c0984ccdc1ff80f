"""Does `combined` give the rows that an independent calculation gives, for any data and filters?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.property import oracle_posts as oracle
from tests.property.comparing import FEW_EXAMPLES, compare_khoros_entries, compare_rows
from tests.property.conversation_filters import parameters, with_accounts
from tests.property.exporting import stored
from tests.property.threads import with_threads
from tests.strategies import Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@FEW_EXAMPLES
@hypothesis.given(scenarios("post", "conversation", "conversation_tag"), st.data())
def test_combined_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    cares = data.draw(with_threads(scenario.tenants).flatmap(with_accounts), label="accounts")
    with stored(cares) as here:
        for care in cares:
            for timespan in scenario.timespans:
                wanted = data.draw(parameters(care), label="parameters")
                rows = oracle.combined(care, timespan, wanted)
                with here.export("combined", care, timespan, dialect="khoros", parameters=wanted) as export:
                    compare_rows(export, rows)
                    compare_khoros_entries(export, rows, oracle.COMBINED)
