"""What a trial without a table shows, by the rows before and after."""

from __future__ import annotations

import pytest

from offtake.core.report_cases.case import Row
from offtake.core.report_cases.empty_tables import Trial, inline_table
from offtake.model.report import IfEmpty, RowsIfEmpty

COLUMNS = ("agent_id", "at", "name", "teams")
KEY = ("agent_id", "at")
ANN, BOB = ({"agent_id": each, "at": 1, "name": each, "teams": ["t"]} for each in ("7", "b"))


@pytest.mark.parametrize(
    ("after", "shown"),
    [
        ([], IfEmpty(rows=RowsIfEmpty.NONE)),
        ([ANN], IfEmpty(rows=RowsIfEmpty.FEWER)),
        ([BOB, ANN], IfEmpty(rows=RowsIfEmpty.SAME)),
        ([ANN | {"name": None}, BOB | {"name": None}], IfEmpty(rows=RowsIfEmpty.SAME, null=("name",))),
        ([ANN | {"name": None}, BOB | {"name": ""}], IfEmpty(rows=RowsIfEmpty.SAME, other=("name",))),
        ([ANN, BOB | {"teams": ["?"], "name": None}], IfEmpty(rows=RowsIfEmpty.SAME, null=("name",), other=("teams",))),
        # a part of the key has another value: it is the same row
        ([ANN | {"agent_id": "ann"}, BOB], IfEmpty(rows=RowsIfEmpty.SAME, other=("agent_id",))),
        # another row takes the place of one: rows are missing, and nothing is known of their columns
        ([{"agent_id": "c", "at": 2, "name": "c", "teams": []}, BOB], IfEmpty(rows=RowsIfEmpty.FEWER)),
    ],
)
def test_a_trial_shows_what_becomes_of_the_rows(after: list[Row], shown: IfEmpty) -> None:
    trial = Trial()
    trial.add(COLUMNS, KEY, [ANN, BOB], after)
    assert trial.result(COLUMNS) == shown


def test_cases_together_show_the_least_favourable_outcome() -> None:
    trial = Trial()
    trial.add(COLUMNS, KEY, [ANN], [])
    trial.add(COLUMNS, KEY, [ANN, BOB], [ANN | {"name": None}, BOB])
    trial.add(COLUMNS, KEY, [ANN], [ANN | {"teams": None}])
    found = trial.result(COLUMNS)
    assert found == IfEmpty(rows=RowsIfEmpty.FEWER, null=("name", "teams"))
    trial.add(COLUMNS, KEY, [ANN], [ANN | {"teams": []}])
    assert inline_table(trial.result(COLUMNS)) == '{ rows = "fewer", null = ["name"], other = ["teams"] }'
