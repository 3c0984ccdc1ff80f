"""Does `brand_post` give the rows that an independent calculation gives, for any data and campaigns?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from offtake.model.request import ReportParameters
from tests.property import oracle_posts as oracle
from tests.property.comparing import FEW_EXAMPLES, compare_khoros_entries, compare_rows
from tests.property.conversation_filters import perhaps_some
from tests.property.exporting import stored
from tests.strategies import Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@FEW_EXAMPLES
@hypothesis.given(scenarios("brand_post"), st.data())
def test_brand_post_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with stored(scenario.tenants) as here:
        for care in scenario.tenants:
            for timespan in scenario.timespans:
                known = [row["campaign_id"] for row in care.rows["brand_post"] if row["campaign_id"] is not None]
                wanted = ReportParameters(campaign_ids=data.draw(perhaps_some(["none", *known]), label="campaigns"))
                rows = oracle.brand_post(care, timespan, wanted)
                with here.export("brand_post", care, timespan, dialect="khoros", parameters=wanted) as export:
                    compare_rows(export, rows)
                    compare_khoros_entries(export, rows, oracle.BRAND_POST)
