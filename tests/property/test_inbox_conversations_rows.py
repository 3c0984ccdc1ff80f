"""Does `inbox_conversations` give the rows that an independent calculation gives, for any data and any filters?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import hypothesis
import pytest
from hypothesis import strategies as st

from offtake.model.request import ReportParameters
from tests.property import oracle_inbox
from tests.property.comparing import FEW_EXAMPLES, compare_rows
from tests.property.exporting import in_any_order, stored
from tests.property.threads import with_threads
from tests.strategies import Care, Row, Scenario, scenarios

FACTS = ("inbox_member", "conversation", "conversation_action", "conversation_tag", "post")
TELLING = ("CLOSED", "REOPENED", "SNOOZE_SET", "SNOOZE_EXPIRED", "CLAIMED", "ASSIGNED", "ASSIGNED", "UNASSIGNED")


@pytest.mark.timeout(900)  # a failing example is made small before it is shown
@FEW_EXAMPLES
@hypothesis.given(scenarios(*FACTS), st.data())
def test_inbox_conversations_equals_the_calculation(scenario: Scenario, data: st.DataObject) -> None:
    cares = tuple(_shared(care) for care in data.draw(with_threads(scenario.tenants), label="threads"))
    with stored(cares) as here:
        for care in cares:
            for timespan in scenario.timespans:
                parameters = data.draw(_parameters(care), label="parameters")
                rows = oracle_inbox.inbox_conversations(care, timespan, parameters)
                with here.export(
                    "inbox_conversations", care, timespan, dialect="loop", parameters=parameters
                ) as export:
                    compare_rows(export, rows)
                    assert in_any_order(export.shown()) == in_any_order(oracle_inbox.shown(rows, timespan.zone))


def _shared(care: Care) -> Care:
    """Most conversations lie in a shared inbox, and most actions say something."""
    inboxes = care.rows["inbox"] or ({"inbox_id": "box", "name": "Box", "is_shared": True},)
    home = {"inbox_id": inboxes[0]["inbox_id"]}
    rows = {
        **care.rows,
        "inbox": (inboxes[0] | {"is_shared": True}, *inboxes[1:]),
        "conversation": tuple(row | (home if n % 4 else {}) for n, row in enumerate(care.rows["conversation"])),
        "conversation_action": tuple(
            row | _telling(row, care.rows["agent"]) for row in care.rows["conversation_action"]
        ),
    }
    return dataclasses.replace(care, rows=rows)


def _telling(action: Row, agents: Sequence[Row]) -> Row:
    """A kind that matters instead of one that does not, and an agent it is given to."""
    number = len(action["action_id"]) + action["happened_at"].microsecond + action["happened_at"].minute
    kinds = {"kind": TELLING[number % len(TELLING)]} if action["kind"] not in TELLING else {}
    given = {"new_value": agents[number % len(agents)]["agent_id"]} if agents and number % 2 else {}
    return kinds | given


def _parameters(care: Care) -> st.SearchStrategy[ReportParameters]:
    def some(values: Sequence[str]) -> st.SearchStrategy[tuple[str, ...] | None]:
        few = st.lists(st.sampled_from([*values, "nobody's"]), min_size=1, max_size=3, unique=True).map(tuple)
        return st.none() | few

    return st.just(ReportParameters()) | st.builds(
        ReportParameters,
        inbox_ids=some([row["inbox_id"] for row in care.rows["inbox"]]),
        tag_ids=some([row["tag_id"] for row in care.rows["conversation_tag"]]),
        agent_emails=some(_emails(care, "agent")),
        customer_emails=some(_emails(care, "customer")),
        viewer_email=st.sampled_from([None, "nobody's", *_emails(care, "agent")]),
    )


def _emails(care: Care, table: str) -> list[str]:
    """As a dialect hands them on; beyond ASCII the engine and Python need not agree about lower case."""
    return [row["email"].strip(" ").lower() for row in care.rows[table] if row["email"].isascii()]
