"""Filter expressions: what a smart view stores. A small language that can be read back, and nothing else.

``priority >= 3 and network in ("twitter", "facebook") and not tag = "vip"``. ``parse`` gives a tree of the values
below; whoever runs it decides what a field means. The grammar has no calls, no arithmetic and no names but the fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput
from lark.exceptions import VisitError

from offtake.errors import InvalidExpression

_LONGEST = 4_000  # characters
_DEEPEST = 100  # brackets and nots; whoever walks the tree walks it by recursion


class FieldType(StrEnum):
    """What a field holds, and so what it may be compared with."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"


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
_COMPARED = MappingProxyType(
    {
        FieldType.TEXT: frozenset({"=", "!=", "contains"}),
        FieldType.NUMBER: frozenset({"=", "!=", "<", "<=", ">", ">="}),
        FieldType.FLAG: frozenset({"=", "!="}),
    }
)
_TYPES = {FieldType.TEXT: str, FieldType.NUMBER: int, FieldType.FLAG: bool}
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
NAME: /[a-z_]+/
OPERATOR.2: /!=|<=|>=|=|<|>|contains\b/i
STRING: /"(\\["\\]|[^"\\])*"/
NUMBER: /-?[0-9]{1,9}/
FLAG.2: /(true|false)\b/i
%import common.WS
%ignore WS
"""

Value = str | int | bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field held against values; more than one value means any of them."""

    field: str
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Absence:
    """The field has no value."""

    field: str


@dataclass(frozen=True, slots=True)
class Negation:
    """Not what stands within."""

    of: Expression


@dataclass(frozen=True, slots=True)
class Combination:
    """All of the terms, or any of them."""

    word: str  # "and" or "or"
    terms: tuple[Expression, ...]


Expression = Comparison | Absence | Negation | Combination


def parse(text: str) -> Expression:
    """The tree of a filter expression. Raises InvalidExpression, which says where it is wrong and never quotes it."""
    if len(text) > _LONGEST:
        raise InvalidExpression(f"is longer than {_LONGEST} characters")
    if len(re.findall(r"\(|\bnot\b", text, re.IGNORECASE)) > _DEEPEST:
        raise InvalidExpression(f"has more than {_DEEPEST} brackets and nots: too deep")
    try:
        tree: Expression = _build().transform(_parser().parse(text))
    except UnexpectedInput as error:
        at = text[: error.pos_in_stream].count("") if error.pos_in_stream is not None else len(text) + 1
        raise InvalidExpression(f"cannot be read from character {at} on") from error
    except VisitError as error:
        raise InvalidExpression(str(error.orig_exc)) from error
    return tree


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr")


@lru_cache(maxsize=1)
def _build() -> Transformer[Token, Expression]:
    return _Build()


class _Build(Transformer[Token, Expression]):
    """Lark's tree becomes ours; a field or a value that does not fit is refused by name."""

    def any(self, terms: list[Any]) -> Expression:
        return Combination("or", tuple(terms))

    def all(self, terms: list[Any]) -> Expression:
        return Combination("and", tuple(terms))

    def negation(self, terms: list[Any]) -> Expression:
        return Negation(terms[0])

    def comparison(self, terms: list[Any]) -> Expression:
        return _checked(Comparison(str(terms[0]), str(terms[1]).lower(), (terms[2],)))

    def membership(self, terms: list[Any]) -> Expression:
        return _checked(Comparison(str(terms[0]), "=", tuple(terms[1:])))

    def absence(self, terms: list[Any]) -> Expression:
        _kind(str(terms[0]))
        return Absence(str(terms[0]))

    def value(self, terms: list[Any]) -> Value:
        token: Token = terms[0]
        if token.type == "STRING":
            return str(token[1:-1]).replace('\\"', '"').replace("\\\\", "\\")
        return int(token) if token.type == "NUMBER" else token.lower() == "true"


def _checked(comparison: Comparison) -> Comparison:
    kind = _kind(comparison.field)
    if comparison.operator not in _COMPARED[kind]:
        allowed = ", ".join(sorted(_COMPARED[kind]))
        raise InvalidExpression(f"{comparison.field} is a {kind.value}; compare it with {allowed}")
    if any(type(value) is not _TYPES[kind] for value in comparison.values):
        raise InvalidExpression(f"{comparison.field} is a {kind.value}; its values must be, too")
    return comparison


def _kind(name: str) -> FieldType:
    if name not in FIELDS:
        raise InvalidExpression(f"names an unknown field; there are {', '.join(FIELDS)}")
    return FIELDS[name]
