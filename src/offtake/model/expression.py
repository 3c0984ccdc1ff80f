"""Filter expressions, the stored conditions of smart views, and their parser.

Example: ``priority >= 3 and network in ("twitter", "facebook") and not tag = "vip"``. ``parse`` returns a tree of the
classes below; ``engine.filter_sql`` translates it to SQL. The grammar has no function calls and no arithmetic, and its
only names are the fields.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput
from lark.exceptions import VisitError

from offtake.errors import InvalidExpression

_MAX_CHARACTERS = 4_000
_MAX_NESTING = 100  # parentheses and nots, because the tree is processed by recursion


class FieldType(StrEnum):
    """Type of a field, which determines its operators and values."""

    TEXT = "text"
    NUMBER = "number"
    DECIMAL = "decimal number"
    FLAG = "flag"
    INSTANT = "instant"
    LIST = "list"


FIELDS: Mapping[str, FieldType] = MappingProxyType(
    {
        "priority": FieldType.NUMBER,
        "status": FieldType.TEXT,
        "direction": FieldType.TEXT,
        "network": FieldType.TEXT,
        "network_instance": FieldType.TEXT,
        "subject": FieldType.TEXT,
        "disposition": FieldType.TEXT,
        "queue": FieldType.TEXT,
        "inbox": FieldType.TEXT,
        "agent": FieldType.TEXT,
        "team": FieldType.TEXT,
        "author": FieldType.TEXT,
        "customer": FieldType.TEXT,
        "tag": FieldType.TEXT,
        "is_private": FieldType.FLAG,
        "needs_attention": FieldType.FLAG,
    }
)
_OPERATORS = MappingProxyType(
    {
        FieldType.TEXT: frozenset({"=", "!=", "contains"}),
        FieldType.NUMBER: frozenset({"=", "!=", "<", "<=", ">", ">="}),
        FieldType.DECIMAL: frozenset({"=", "!=", "<", "<=", ">", ">="}),
        FieldType.FLAG: frozenset({"=", "!="}),
        FieldType.INSTANT: frozenset({"=", "!=", "<", "<=", ">", ">="}),
        FieldType.LIST: frozenset({"contains"}),
    }
)
_VALUES: Mapping[FieldType, tuple[tuple[type, ...], str]] = MappingProxyType(
    {
        FieldType.TEXT: ((str,), "text"),
        FieldType.NUMBER: ((int,), "number"),
        FieldType.DECIMAL: ((int, float), "number"),
        FieldType.FLAG: ((bool,), "flag"),
        FieldType.INSTANT: ((str,), "instant"),
        FieldType.LIST: ((str,), "text"),
    }
)
_GRAMMAR = r"""
?start: any
?any: all (_OR all)*
?all: one (_AND one)*
?one: _NOT one -> negation
    | "(" any ")"
    | NAME OPERATOR value -> comparison
    | NAME _IN "(" value ("," value)* ")" -> membership
    | NAME _IS _EMPTY -> absence
value: STRING | NUMBER | FLAG
_OR.2: /or\b/i
_AND.2: /and\b/i
_NOT.2: /not\b/i
_IN.2: /in\b/i
_IS.2: /is\b/i
_EMPTY.2: /empty\b/i
NAME: /[a-z_][a-z0-9_]*/
OPERATOR.2: /!=|<=|>=|=|<|>|contains\b/i
STRING: /"(\\["\\]|[^"\\])*"/
NUMBER: /-?[0-9]{1,15}(\.[0-9]{1,15})?/
FLAG.2: /(true|false)\b/i
%import common.WS
%ignore WS
"""

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison of a field with values; it matches if any of the values does."""

    field: str
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Absence:
    """The field has no value."""

    field: str


@dataclass(frozen=True, slots=True)
class Negation:
    """Negation of an expression."""

    of: Expression


@dataclass(frozen=True, slots=True)
class Combination:
    """Conjunction (all terms) or disjunction (any term)."""

    word: str  # "and" or "or"
    terms: tuple[Expression, ...]


Expression = Comparison | Absence | Negation | Combination


def parse(text: str, fields: Mapping[str, FieldType] = FIELDS) -> Expression:
    """Parse a filter expression on these fields; an instant is a text such as ``"2026-03-01T08:00:00Z"``.

    Raises InvalidExpression with the position of the fault or the name of the field; it never quotes a value.
    """
    if len(text) > _MAX_CHARACTERS:
        raise InvalidExpression(f"is longer than {_MAX_CHARACTERS} characters")
    if len(re.findall(r"\(|\bnot\b", text, re.IGNORECASE)) > _MAX_NESTING:
        raise InvalidExpression(f"has more than {_MAX_NESTING} parentheses and nots; simplify it")
    try:
        tree: Expression = _Build(fields).transform(_parser().parse(text))
    except UnexpectedInput as error:
        position = text[: error.pos_in_stream].count("") if error.pos_in_stream is not None else len(text) + 1
        raise InvalidExpression(f"cannot be read from character {position} on") from error
    except VisitError as error:
        raise InvalidExpression(str(error.orig_exc)) from error
    return tree


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr")


class _Build(Transformer[Token, Expression]):
    """Transforms Lark's tree. Raises InvalidExpression with the name of a faulty field."""

    def __init__(self, fields: Mapping[str, FieldType]) -> None:
        super().__init__()
        self._fields = fields

    def any(self, terms: list[Any]) -> Expression:
        return Combination("or", tuple(terms))

    def all(self, terms: list[Any]) -> Expression:
        return Combination("and", tuple(terms))

    def negation(self, terms: list[Any]) -> Expression:
        return Negation(terms[0])

    def comparison(self, terms: list[Any]) -> Expression:
        return self._checked(Comparison(str(terms[0]), str(terms[1]).lower(), (terms[2],)))

    def membership(self, terms: list[Any]) -> Expression:
        return self._checked(Comparison(str(terms[0]), "=", tuple(terms[1:])))

    def absence(self, terms: list[Any]) -> Expression:
        self._type(str(terms[0]))
        return Absence(str(terms[0]))

    def value(self, terms: list[Any]) -> Value:
        token: Token = terms[0]
        if token.type == "STRING":
            return str(token[1:-1]).replace('\\"', '"').replace("\\\\", "\\")
        if token.type == "NUMBER":
            return float(token) if "." in token else int(token)
        return token.lower() == "true"

    def _checked(self, comparison: Comparison) -> Comparison:
        field, field_type = comparison.field, self._type(comparison.field)
        if comparison.operator not in _OPERATORS[field_type]:
            allowed = ", ".join(sorted(_OPERATORS[field_type]))
            raise InvalidExpression(f"{field} is a {field_type.value}; compare it with {allowed}")
        types, word = _VALUES[field_type]
        if any(type(value) not in types for value in comparison.values):
            raise InvalidExpression(f"{field} is a {field_type.value}; compare it with {word} values only")
        if field_type is FieldType.INSTANT and not all(_is_instant(str(value)) for value in comparison.values):
            raise InvalidExpression(f'{field} is an instant; compare it with one such as "2026-03-01T08:00:00Z"')
        return comparison

    def _type(self, name: str) -> FieldType:
        if name not in self._fields:
            close = difflib.get_close_matches(name, self._fields, n=1)
            hint = f"did you mean {close[0]}?" if close else f"the fields are {', '.join(self._fields)}"
            raise InvalidExpression(f"names an unknown field; {hint}")
        return self._fields[name]


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
