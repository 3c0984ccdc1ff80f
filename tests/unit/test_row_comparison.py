"""The comparison of rows in ``tests/fixtures/row_comparison.py`` finds every difference and names it."""

from __future__ import annotations

from typing import Any

import pytest

from offtake.core.report_cases.row_comparison import WIDTH
from tests.fixtures.row_comparison import are_same_rows, assert_same_rows

Row = dict[str, Any]
ROWS: list[Row] = [{"id": "a", "seconds": 1}, {"id": "b", "seconds": 2}, {"id": "b", "seconds": 2}]


def message(found: list[Row], expected: list[Row], *key: str) -> str:
    assert not are_same_rows(found, expected)
    with pytest.raises(AssertionError) as caught:
        assert_same_rows(found, expected, key=key)
    return str(caught.value)


def test_neither_the_order_of_rows_nor_that_of_columns_counts() -> None:
    reordered = [dict(reversed(row.items())) for row in reversed(ROWS)]
    assert_same_rows(reordered, ROWS, key=["id"])
    assert are_same_rows(reordered, ROWS)


@pytest.mark.parametrize("value", [1.0, True, "1", None])
def test_values_of_different_types_differ(value: object) -> None:
    assert "differs column: seconds (1 row)" in message([{"id": "a", "seconds": value}], ROWS[:1], "id")


@pytest.mark.parametrize("key", [(), ("id",)])
def test_rows_are_compared_column_by_column(key: tuple[str, ...]) -> None:
    found: list[Row] = [{"id": "b", "seconds": 2, "new": None}, {"id": "a", "seconds": 7}, ROWS[2]]
    text = message(found, ROWS, *key)
    assert "unexpected column: new (1 row)\ndiffers column: seconds (1 row)\n" in text
    assert "seconds: found 7, expected 1" in text
    assert "new: unexpected, found None" in text


def test_a_column_that_no_row_has_is_named_once() -> None:
    assert "missing column: seconds (3 rows)\nrow id='a'" in message([{"id": row["id"]} for row in ROWS], ROWS, "id")


def test_rows_without_a_counterpart_are_listed() -> None:
    """Also a row that occurs once instead of twice."""
    assert "missing row: id='b'" in message(ROWS[:2], ROWS, "id")
    text = message([*ROWS, {"id": "c", "seconds": 3}], ROWS, "id")
    assert "unexpected row: id='c'" in text
    assert "missing" not in text


def test_long_values_are_cut_around_their_first_difference() -> None:
    text = message([{"id": "a", "text": "x" * 500 + "y"}], [{"id": "a", "text": "x" * 500 + "z"}], "id")
    found, expected = text.split("text: found ")[1].split(", expected ")
    assert found.endswith("xy'")
    assert expected.endswith("xz'")
    assert max(len(found), len(expected)) <= WIDTH + 2


def test_many_differences_are_counted() -> None:
    many = [{"id": number, "seconds": 0} for number in range(12)]
    text = message(many, [{**row, "seconds": 1} for row in many], "id")
    assert "differs column: seconds (12 rows)" in text
    assert "… and 7 more rows differ" in text
