"""Filter expressions: valid ones, invalid ones, and the position of an error."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtake.errors import InvalidExpression
from offtake.model.expression import FIELDS, Absence, Combination, Comparison, Negation, parse

HIGH = Comparison("priority", ">=", (3,))
VIP = Comparison("tag", "=", ("vip",))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("priority >= 3", HIGH),
        ("  priority>=3\n", HIGH),
        ('tag = "vip" AND priority >= 3', Combination("and", (VIP, HIGH))),
        ('tag = "vip" or tag = "vip" and priority >= 3', Combination("or", (VIP, Combination("and", (VIP, HIGH))))),
        ('(tag = "vip" or tag = "vip") and priority >= 3', Combination("and", (Combination("or", (VIP, VIP)), HIGH))),
        ('not tag = "vip" and priority >= 3', Combination("and", (Negation(VIP), HIGH))),
        ('not (tag = "vip")', Negation(VIP)),
        ('network in ("a", "b")', Comparison("network", "=", ("a", "b"))),
        ("priority in (1,2 , 3)", Comparison("priority", "=", (1, 2, 3))),
        ("agent is empty", Absence("agent")),
        ("is_private = TRUE", Comparison("is_private", "=", (True,))),
        ('subject contains "say \\"hi\\" \\\\ there"', Comparison("subject", "contains", ('say "hi" \\ there',))),
        ('inbox = "or"', Comparison("inbox", "=", ("or",))),
        ("priority = -1", Comparison("priority", "=", (-1,))),
    ],
)
def test_an_expression_is_read(text: str, tree: object) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "from character 1 on"),
        ("priority >= ", "from character"),
        ("priority >= 3 and", "from character"),
        ("priority 3", "from character 10 on"),
        ('priority >= "3"', "priority is a number; compare it with number values only"),
        ("priority = true", "priority is a number"),
        ('is_private = "true"', "is_private is a flag"),
        ("is_private > true", "compare it with !=, ="),
        ('priority contains "3"', "compare it with"),
        ("status > 3", "compare it with"),
        ("colour = 3", "names an unknown field; the fields are priority,"),
        ("colour is empty", "names an unknown field"),
        ('status = "a"; DROP TABLE conversation', "from character 13 on"),
        ('status = "a" -- comment', "from character 14 on"),
        ("status = 'a'", "from character 10 on"),
        ('lower(status) = "a"', "from character 6 on"),
        ("priority = 1234567890123456", "from character"),
        ("(" * 5_000, "is longer than 4000 characters"),
    ],
)
def test_an_invalid_expression_is_refused_with_the_position_of_the_error(text: str, said: str) -> None:
    with pytest.raises(InvalidExpression) as error:
        parse(text)
    assert said in error.value.message


@given(st.text(max_size=200) | st.text(alphabet='abprioty ()<>=!"\\0123,notrd', max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidExpression):
        parse(text)


def test_the_manual_lists_every_field() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/smart-views.md").read_text("utf-8")
    assert [field for field in FIELDS if f"`{field}`" not in page] == []


def test_nesting_is_bounded() -> None:
    assert parse("(" * 100 + "priority = 1" + ")" * 100) == Comparison("priority", "=", (1,))
    for text in ("(" * 101 + "priority = 1" + ")" * 101, "not " * 101 + "priority = 1"):
        with pytest.raises(InvalidExpression, match="parentheses and nots"):
            parse(text)
