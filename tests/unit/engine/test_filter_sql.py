"""The SQL of a smart view keeps the conversations that an interpreter of its expression keeps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offtake.engine.filter_sql import filter_condition
from offtake.model.expression import FIELDS, Absence, Combination, Comparison, Expression, FieldType, Negation

BEFORE, AFTER = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
TEXTS = ("", "a", "b", "vip", "it's", '"quoted"', "%", "a\nb")
COLUMNS = {
    "queue": "queue_id",
    "inbox": "inbox_id",
    "agent": "assigned_agent_id",
    "team": "assigned_team_id",
    "author": "author_id",
    "customer": "customer_id",
}
VALUES: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.TEXT: st.sampled_from(TEXTS),
    FieldType.NUMBER: st.integers(0, 5),
    FieldType.FLAG: st.booleans(),
}
OPERATORS = {
    FieldType.TEXT: ("=", "!=", "contains"),
    FieldType.NUMBER: ("=", "!=", "<", "<=", ">", ">="),
    FieldType.FLAG: ("=", "!="),
}
Conversation = dict[str, Any]  # field -> value; ``tag`` -> set of tags


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    field = draw(st.sampled_from(sorted(FIELDS)))
    operator = draw(st.sampled_from(OPERATORS[FIELDS[field]]))
    most = 3 if operator == "=" else 1
    values = draw(st.lists(VALUES[FIELDS[field]], min_size=1, max_size=most))
    return Comparison(field, operator, tuple(values))


EXPRESSIONS: st.SearchStrategy[Expression] = st.recursive(
    comparisons() | st.sampled_from(sorted(FIELDS)).map(Absence),
    lambda inner: (
        inner.map(Negation)
        | st.builds(
            lambda word, terms: Combination(word, tuple(terms)),
            st.sampled_from(("and", "or")),
            st.lists(inner, min_size=2, max_size=3),
        )
    ),
    max_leaves=6,
)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    row = {field: draw(st.none() | VALUES[field_type]) for field, field_type in FIELDS.items() if field != "tag"}
    return row | {"tag": draw(st.sets(st.sampled_from(TEXTS), max_size=2))}


def keeps(expression: Expression, row: Conversation) -> bool:
    """An interpreter of the expression."""
    match expression:
        case Combination("and", terms):
            return all(keeps(term, row) for term in terms)
        case Combination(_, terms):
            return any(keeps(term, row) for term in terms)
        case Negation(of):
            return not keeps(of, row)
        case Absence(field):
            return row[field] is None or row[field] == set()
        case Comparison("tag", operator, wanted):
            found = any(tag in wanted if operator != "contains" else wanted[0] in tag for tag in row["tag"])
            return not found if operator == "!=" else found
        case Comparison(field, operator, wanted):
            return compares(row[field], operator, wanted)


def compares(value: Any, operator: str, wanted: tuple[Any, ...]) -> bool:
    if operator == "!=":
        return bool(value != wanted[0])
    if value is None:
        return False
    if operator == "=":
        return value in wanted
    if operator == "contains":
        return wanted[0] in value
    return bool(
        {"<": value < wanted[0], "<=": value <= wanted[0], ">": value > wanted[0], ">=": value >= wanted[0]}[operator]
    )


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """The two tables that the SQL reads."""
    named = [(COLUMNS.get(field, field), field_type) for field, field_type in FIELDS.items() if field != "tag"]
    types = {FieldType.TEXT: "VARCHAR", FieldType.NUMBER: "BIGINT", FieldType.FLAG: "BOOLEAN"}
    shape = ", ".join(f"{name} {types[field_type]}" for name, field_type in named)
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(f"CREATE TABLE conversation (conversation_id VARCHAR, {shape})")
        instants = "attached_at TIMESTAMPTZ, detached_at TIMESTAMPTZ"
        connection.execute(f"CREATE TABLE conversation_tag (conversation_id VARCHAR, tag_id VARCHAR, {instants})")
        yield connection


def fill(database: duckdb.DuckDBPyConnection, table: str, rows: list[list[Any]]) -> None:
    """Insert rows into a table."""
    if rows:
        marks = ", ".join(f"({', '.join('?' * len(row))})" for row in rows)
        database.execute(f"INSERT INTO {table} VALUES {marks}", [cell for row in rows for cell in row])


@settings(max_examples=300, deadline=None)
@given(expression=EXPRESSIONS, rows=st.lists(conversations(), max_size=5))
def test_the_sql_keeps_the_conversations_that_match_the_expression(
    database: duckdb.DuckDBPyConnection, expression: Expression, rows: list[Conversation]
) -> None:
    condition, values = filter_condition(expression)
    shown = [[str(number), *(row[field] for field in FIELDS if field != "tag")] for number, row in enumerate(rows)]
    tags = [[str(number), tag, BEFORE, None] for number, row in enumerate(rows) for tag in row["tag"]]
    detached = [[str(number), "vip", BEFORE, AFTER] for number in range(len(rows))]  # a detached tag does not count
    database.begin()
    try:
        fill(database, "conversation", shown)
        fill(database, "conversation_tag", tags + detached)
        database.execute("SET VARIABLE smart_view_values = $values", {"values": values})
        found = database.execute(f"SELECT conversation_id FROM conversation WHERE {condition}").fetchall()
    finally:
        database.rollback()
    assert {row[0] for row in found} == {str(n) for n, row in enumerate(rows) if keeps(expression, row)}
