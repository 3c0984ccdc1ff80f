"""Does `qm_evaluation_analysis` give the rows that an independent calculation gives, for any data?"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.property import oracle_workforce
from tests.property.comparing import FEW_EXAMPLES, compare_rows, compare_talkdesk_file
from tests.property.exporting import stored
from tests.strategies import Care, Row, Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@FEW_EXAMPLES
@hypothesis.given(scenarios("evaluation"), st.data())
def test_qm_evaluation_analysis_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    cares = tuple(_with_free_texts(care, data) for care in scenario.tenants)
    with stored(cares) as here:
        for care in cares:
            for timespan in scenario.timespans:
                rows = oracle_workforce.qm_evaluation_analysis(care, timespan)
                with here.export("qm_evaluation_analysis", care, timespan) as export:
                    compare_rows(export, rows)
                    compare_talkdesk_file(export, rows, oracle_workforce.QM_EVALUATION_ANALYSIS, data)


def _with_free_texts(care: Care, data: st.DataObject) -> Care:
    """Some questions are of the kind that the report treats differently, and versions are few, so that they meet."""
    rows = [_typed(row, data) for row in care.rows["evaluation"]]
    unique = {(row["evaluation_id"], row["version"], row["question_id"]): row for row in rows}
    return Care(tenant=care.tenant, zone=care.zone, rows={**care.rows, "evaluation": tuple(unique.values())})


def _typed(row: Row, data: st.DataObject) -> Row:
    kinds = st.sampled_from((row["question_type"], "TextQuestion", "textquestion"))
    versions = st.sampled_from((row["version"], 0, 1, 2))
    return {**row, "question_type": data.draw(kinds, label="type"), "version": data.draw(versions, label="version")}
