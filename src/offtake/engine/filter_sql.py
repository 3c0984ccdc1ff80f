"""Translates a filter expression into SQL over the table ``conversation``.

The text contains only the names below. The values are texts in the session variable ``smart_view_values``, because a
view cannot have bound values. Fields and tags are those that are now in the lake, whatever the timespan is.
"""

from __future__ import annotations

from offtake.model.expression import FIELDS, Absence, Combination, Comparison, Expression, FieldType, Negation, Value
from offtake.sql_text import comparison

_COLUMNS = {
    "queue": "queue_id",
    "inbox": "inbox_id",
    "agent": "assigned_agent_id",
    "team": "assigned_team_id",
    "author": "author_id",
    "customer": "customer_id",
}
_TYPES = {FieldType.TEXT: "VARCHAR", FieldType.NUMBER: "BIGINT", FieldType.FLAG: "BOOLEAN"}
_TAGGED = "conversation_id IN (SELECT conversation_id FROM conversation_tag WHERE detached_at IS NULL{condition})"


def smart_view_relation(condition: str, *, is_partitioned: bool) -> str:
    """Return the statement that creates ``in_smart_view``: the conversations that fulfil a filter condition."""
    partition = " AND in_partition(conversation_id)" if is_partitioned else ""
    # The condition comes from ``filter_condition``, so it contains no values.
    return f"CREATE TEMP VIEW in_smart_view AS SELECT conversation_id FROM conversation WHERE ({condition}){partition}"  # noqa: S608


def filter_condition(expression: Expression) -> tuple[str, list[str]]:
    """Return the condition, which is never null, and the values that ``smart_view_values`` must have for it."""
    values: list[str] = []
    return _condition(expression, values), values


def _condition(expression: Expression, values: list[str]) -> str:
    match expression:
        case Combination(word, terms):
            return "(" + f" {word.upper()} ".join(_condition(term, values) for term in terms) + ")"
        case Negation(of):
            return f"(NOT {_condition(of, values)})"
        case Absence("tag"):
            return f"(NOT {_TAGGED.format(condition='')})"
        case Absence(field):
            return f"({_COLUMNS.get(field, field)} IS NULL)"
        case Comparison("tag", operator, operands):
            return _tag_condition(operator, [_value(value, FieldType.TEXT, values) for value in operands])
        case Comparison(field, operator, operands):
            expressions = [_value(value, FIELDS[field], values) for value in operands]
            return comparison(_COLUMNS.get(field, field), operator, expressions)


def _tag_condition(operator: str, values: list[str]) -> str:
    if operator == "contains":
        return _TAGGED.format(condition=f" AND contains(tag_id, {values[0]})")
    has_tag = _TAGGED.format(condition=f" AND tag_id IN ({', '.join(values)})")
    return f"(NOT {has_tag})" if operator == "!=" else has_tag


def _value(value: Value, field_type: FieldType, values: list[str]) -> str:
    """Append a value to ``values`` and return the SQL that reads it."""
    values.append(str(value))
    return f"CAST(getvariable('smart_view_values')[{len(values)}] AS {_TYPES[field_type]})"
