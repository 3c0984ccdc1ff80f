"""Does `contacts` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.property import oracle_voice
from tests.property.comparing import FEW_EXAMPLES, compare_rows, compare_talkdesk_file
from tests.property.exporting import stored
from tests.strategies import Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@FEW_EXAMPLES
@hypothesis.given(scenarios("contact"), st.data())
def test_contacts_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                rows = oracle_voice.contacts(care, timespan)
                with here.export("contacts", care, timespan) as export:
                    compare_rows(export, rows)
                    compare_talkdesk_file(
                        export, rows, oracle_voice.CONTACTS, data, labels=oracle_voice.CONTACTS_HEADER
                    )
