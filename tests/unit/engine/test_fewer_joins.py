"""The query of a report for its sort columns leaves out joins that only other columns need."""

from __future__ import annotations

import pytest

from offtake.engine.fewer_joins import with_fewer_joins

ROWS = """
SELECT fact.id, fact.kind AS sort, upper(fact.kind) AS loud, agent.name, team.name AS team_name
FROM fact
LEFT JOIN agent ON agent.id = fact.agent_id
LEFT JOIN team ON team.id = agent.team_id
WHERE fact.day >= $start
"""


@pytest.mark.parametrize(
    ("columns", "tables"),
    [({"id", "sort"}, {"fact"}), ({"id", "loud"}, {"fact"}), ({"id", "name"}, {"fact", "agent"})],
)
def test_joins_that_no_column_needs_are_left_out(columns: set[str], tables: set[str]) -> None:
    smaller = with_fewer_joins(ROWS, frozenset(columns))
    assert smaller is not None
    assert {name for name in ("fact", "agent", "team") if f" {name}." in smaller or f"FROM {name}" in smaller} == tables
    assert smaller.count("LEFT JOIN") == len(tables) - 1
    assert "$start" in smaller


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        (ROWS, {"id", "team_name"}),  # needs all
        (ROWS, {"id", "other"}),
        (ROWS.replace("fact.day", "day"), {"id"}),  # of whichever table
        (ROWS.replace("LEFT", "INNER"), {"id"}),  # selects rows
        (ROWS + "LIMIT 3", {"id"}),
        (ROWS.replace("SELECT", "SELECT DISTINCT"), {"id"}),
        (ROWS + "QUALIFY row_number() OVER (ORDER BY team.name) = 1", {"id"}),
        (ROWS + "UNION ALL" + ROWS, {"id"}),
        ("no SQL", {"id"}),
    ],
)
def test_other_queries_are_left_alone(sql: str, columns: set[str]) -> None:
    assert with_fewer_joins(sql, frozenset(columns)) is None
