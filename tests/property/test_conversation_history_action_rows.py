"""Does `conversation_history_action` give the rows that an independent calculation gives, for any data and filters?"""

from __future__ import annotations

from dataclasses import replace

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.property import oracle_actions as oracle
from tests.property.comparing import FEW_EXAMPLES, compare_khoros_entries, compare_rows
from tests.property.conversation_filters import parameters, with_accounts
from tests.property.exporting import stored
from tests.strategies import Scenario, scenarios

CAPS = st.sampled_from((1, 2, 3, 500))


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@FEW_EXAMPLES
@hypothesis.given(scenarios("conversation_action", "conversation", "post", max_rows=20), st.data())
def test_conversation_history_action_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    cares = data.draw(with_accounts(scenario.tenants), label="accounts")
    with stored(cares) as here:
        for care in cares:
            for timespan in scenario.timespans:
                wanted = replace(data.draw(parameters(care), label="parameters"), actions_cap=data.draw(CAPS))
                as_of = scenario.asked_at
                rows = oracle.conversation_history_action(care, timespan, wanted, as_of or timespan.end)
                with here.export(
                    "conversation_history_action", care, timespan, as_of=as_of, dialect="khoros", parameters=wanted
                ) as export:
                    compare_rows(export, rows)
                    compare_khoros_entries(export, rows, oracle.CONVERSATION_HISTORY_ACTION)
