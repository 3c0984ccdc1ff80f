"""Does `response_approval` give the rows that an independent calculation gives, for any data and filters?"""

from __future__ import annotations

from dataclasses import replace

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.property import oracle_actions as oracle
from tests.property.comparing import FEW_EXAMPLES, compare_khoros_entries, compare_rows
from tests.property.conversation_filters import parameters, perhaps_some, with_accounts
from tests.property.exporting import stored
from tests.property.lookups import shown_id
from tests.strategies import Care, Scenario, scenarios


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@FEW_EXAMPLES
@hypothesis.given(scenarios("response_approval", "conversation"), st.data())
def test_response_approval_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    with_members = tuple(_with_members(data, care) for care in scenario.tenants)
    cares = data.draw(with_accounts(with_members), label="accounts")
    with stored(cares) as here:
        for care in cares:
            for timespan in scenario.timespans:
                wanted = replace(
                    data.draw(parameters(care), label="parameters"),
                    team_ids=data.draw(perhaps_some(_team_numbers(care)), label="teams"),
                    include_disabled=data.draw(st.booleans(), label="disabled"),
                )
                rows = oracle.response_approval(care, timespan, wanted)
                with here.export("response_approval", care, timespan, dialect="khoros", parameters=wanted) as export:
                    compare_rows(export, rows)
                    compare_khoros_entries(export, rows, oracle.RESPONSE_APPROVAL)


def _with_members(data: st.DataObject, care: Care) -> Care:
    """The tenant with some teams and their members; who submits may be in several, in none, or be unknown."""
    team_ids = data.draw(st.lists(st.sampled_from("abcd"), max_size=4, unique=True), label="team ids")
    teams = tuple(
        {"team_id": name, "name": name, "number": None if name == "b" else 40 + ord(name) % 3} for name in team_ids
    )
    agents = sorted({row["agent_id"] for row in (*care.rows["response_approval"], *care.rows["agent"])})
    pairs = [(team, agent) for team in "abcde" for agent in agents]
    members = data.draw(st.lists(st.sampled_from(pairs), max_size=8, unique=True), label="members") if pairs else []
    membership = tuple({"team_id": team, "agent_id": agent} for team, agent in members)
    return replace(care, rows={**care.rows, "team": teams, "team_member": membership})


def _team_numbers(care: Care) -> list[str]:
    teams = (row["team_id"] for table in ("team", "team_member", "agent") for row in care.rows[table])
    return ["7", *(shown_id(care, "team", team) or "" for team in teams)]
