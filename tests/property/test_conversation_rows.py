"""Does `conversation` give the rows that an independent calculation gives, for any data, choice and filters?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import hypothesis
import pytest
from hypothesis import strategies as st

from offtake.model.request import Selection
from tests.property import oracle_conversation as oracle
from tests.property.comparing import FEW_EXAMPLES, compare_khoros_entries, compare_rows
from tests.property.conversation_filters import parameters, with_accounts
from tests.property.exporting import stored
from tests.strategies import Row, Scenario, scenarios

TABLES = ("conversation", "conversation_action", "post", "conversation_tag")
KINDS = ("CLOSED", "REOPENED", "CLOSED", "REOPENED", "NOTE_ADDED", None)  # None: as drawn


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@FEW_EXAMPLES
@hypothesis.given(scenarios(*TABLES), st.data())
def test_conversation_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    cares = data.draw(with_accounts(scenario.tenants), label="accounts")
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=6, max_size=6), label="kinds of actions")
    cares = tuple(replace(care, rows={**care.rows, **_eventful(care.rows, kinds)}) for care in cares)
    with stored(cares) as here:
        for care in cares:
            for timespan in scenario.timespans:
                filters = data.draw(parameters(care), label="parameters")
                for selection in Selection:
                    wanted = replace(filters, selection=selection)
                    rows = oracle.conversations(care, timespan, wanted)
                    with here.export("conversation", care, timespan, dialect="khoros", parameters=wanted) as export:
                        compare_rows(export, rows)
                        compare_khoros_entries(export, rows, oracle.CONVERSATION)


def _eventful(rows: Mapping[str, tuple[Row, ...]], kinds: list[str | None]) -> dict[str, tuple[Row, ...]]:
    """Of more than thirty kinds of actions three matter here, and of the deliveries one: they come often."""
    actions = rows["conversation_action"]
    posts = rows["post"]
    return {
        "conversation_action": tuple(
            {**row, "kind": kinds[n % len(kinds)] or row["kind"]} for n, row in enumerate(actions)
        ),
        "post": tuple({**row, "delivery": "failed" if n % 4 == 1 else row["delivery"]} for n, row in enumerate(posts)),
    }
