"""The page of file formats says what the code does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from offtake.formats import format_named
from offtake.model.column_type import ColumnType
from offtake.model.format_options import CsvOptions
from offtake.model.typed_values import TYPED_VALUES
from offtake.wire.native.tables import FORMATS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "formats.md").read_text("utf-8")


def _rows(section: str) -> Iterator[list[str]]:
    """The cells of the rows of the first table behind a heading, without the two lines above them."""
    text = PAGE.partition(f"\n{section}\n")[2] if section else PAGE
    lines = [line for line in text.partition("\n#")[0].splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip().replace("&lt;", "<").replace("&gt;", ">") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_page_lists_every_format_with_its_suffix_and_compressions() -> None:
    listed = {cells[0].strip("`"): (cells[2].strip("`"), _words(cells[3])) for cells in _rows("")}
    formats = {word: format_named(name) for word, name in FORMATS.items()}
    assert listed == {word: (each.suffix, [*map(str, each.compressions)]) for word, each in formats.items()}


def test_the_page_lists_every_column_type_with_its_types_in_parquet_and_arrow() -> None:
    listed = {word: (cells[1], cells[2]) for cells in _rows("## Values") for word in _words(cells[0])}
    assert listed == {str(each): (TYPED_VALUES[each].parquet, TYPED_VALUES[each].arrow) for each in ColumnType}


def test_the_page_lists_every_option_of_csv() -> None:
    assert [cells[0].strip("`") for cells in _rows("## CSV")] == list(CsvOptions.model_fields)
