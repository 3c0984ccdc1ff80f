"""Range headers: valid ones, and those that are ignored."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtake.http.ranges import ByteRange, parse_ranges


@pytest.mark.parametrize(
    ("header", "ranges"),
    [
        (None, None),
        ("bytes", None),
        ("lines=1-2", None),
        ("bytes=9-5", None),
        ("bytes=x-y", None),
        ("bytes=" + ",".join(f"{n * 2}-{n * 2}" for n in range(101)), None),
        ("bytes=0-0", [(0, 1)]),
        ("Bytes = 5-9 ", [(5, 10)]),
        ("bytes=90-", [(90, 100)]),
        ("bytes=-10", [(90, 100)]),
        ("bytes=-1000", [(0, 100)]),
        ("bytes=50-1000", [(50, 100)]),
        ("bytes=100-", []),
        ("bytes=-0", []),
        ("bytes=100-200,300-", []),
        ("bytes=100-200,0-4", [(0, 5)]),
        ("bytes=20-29,0-9", [(0, 10), (20, 30)]),
        ("bytes=0-9,5-19,20-29,40-49", [(0, 30), (40, 50)]),
        ("bytes=0-99,10-19", [(0, 100)]),
    ],
)
def test_the_ranges_of_a_header_in_a_file_of_100_bytes(
    header: str | None, ranges: list[tuple[int, int]] | None
) -> None:
    expected = None if ranges is None else [ByteRange(*each) for each in ranges]
    assert parse_ranges(header, 100) == expected


def test_an_empty_file_has_no_ranges() -> None:
    assert parse_ranges("bytes=0-", 0) == parse_ranges("bytes=-5", 0) == []


@given(
    size=st.integers(0, 60),
    asked=st.lists(
        st.one_of(
            st.tuples(st.integers(0, 80), st.integers(0, 80)).map(sorted).map(lambda pair: (pair[0], pair[1])),
            st.tuples(st.integers(0, 80), st.none()),
            st.tuples(st.none(), st.integers(0, 80)),
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_byte_ranges_return_the_requested_bytes(size: int, asked: list[tuple[int | None, int | None]]) -> None:
    header = "bytes=" + ",".join(f"{'' if a is None else a}-{'' if b is None else b}" for a, b in asked)
    meant: set[int] = set()
    for first, last in asked:
        if first is None:
            meant |= set(range(max(0, size - (last or 0)), size))
        else:
            meant |= set(range(first, size if last is None else min(size, last + 1)))
    found = parse_ranges(header, size)
    assert found is not None
    assert sorted(meant) == [byte for each in found for byte in range(each.first, each.end)]
    assert all(before.end < after.first for before, after in pairwise(found))
