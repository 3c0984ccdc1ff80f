"""Filters for the reports about people: what somebody may ask for of a tenant's data."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.strategies import Care

Chosen = tuple[str, ...] | None


def chosen_teams(care: Care) -> SearchStrategy[Chosen]:
    """Numbers and ids of teams, known and unknown, in use and not."""
    return _chosen([*_shown(care, "team"), *(row["team_id"] for row in care.rows["team_member"])])


def chosen_agents(care: Care) -> SearchStrategy[Chosen]:
    """Numbers and ids of agents."""
    return _chosen(_shown(care, "agent"))


def _shown(care: Care, table: str) -> list[str]:
    return [str(row[name]) for row in care.rows[table] for name in ("number", f"{table}_id") if row[name] is not None]


def _chosen(known: Sequence[str]) -> SearchStrategy[Chosen]:
    return st.none() | st.lists(st.sampled_from([*known, "nobody's"]), max_size=3).map(tuple)
