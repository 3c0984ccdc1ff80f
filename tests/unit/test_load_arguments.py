"""The table and the files of ``offtake load``: with a mapping, or a pattern, words may be left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import typer

from offtake.cli.mapping_options import separate
from offtake.lake.ingest.mapping.definition import IDENTITY

CALLS = replace(IDENTITY, table="call")


@pytest.mark.parametrize(
    ("words", "has_pattern", "found"),
    [
        (("call", "a.csv"), False, ("call", ["a.csv"])),
        (("a.csv", "b.csv"), False, ("call", ["a.csv", "b.csv"])),
        (("call",), False, ("call", ["call"])),  # a file with the name of the table
        ((), True, ("call", [])),
        (("call",), True, ("call", [])),
        (("call", "a.csv"), True, ("call", ["a.csv"])),
    ],
)
def test_a_mapping_names_the_table(words: tuple[str, ...], has_pattern: bool, found: tuple[str, list[str]]) -> None:
    first, files = (words[0], words[1:]) if words else (None, ())
    assert separate(first, files, CALLS, has_pattern=has_pattern) == found


def test_a_table_is_required_without_a_mapping_and_must_be_that_of_the_mapping() -> None:
    assert separate("team", ["a.csv"], IDENTITY, has_pattern=False) == ("team", ["a.csv"])
    with pytest.raises(typer.BadParameter, match="name the table, or give --mapping"):
        separate(None, (), IDENTITY, has_pattern=True)
    with pytest.raises(typer.BadParameter, match="for table call, not team; leave TABLE out"):
        separate("team", (), CALLS, has_pattern=True)
