"""The initial view of a sheet: docs/reference/xlsx.md."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from offtake.engine.duckdb import Session
from offtake.formats.xlsx import SheetLimits, workbook_writer
from offtake.model.layout import Framing
from offtake.model.query import Query
from tests.property.exporting import limits

SQL = """
SELECT n AS number, 'text' AS words, TIMESTAMP '2026-03-29 01:30:00' AS moment, true AS flag, ['a', 'b'] AS several,
    1.5 AS "a header that is longer than anything below it", 2 AS "long and longer and longer and longer and longer on"
FROM range(7) AS t (n)
"""
COLUMNS = (
    *("number", "words", "moment", "flag", "several"),
    "a header that is longer than anything below it",
    "long and longer and longer and longer and longer on",
)


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Worksheet]:
    """Seven rows in sheets of five rows."""
    path: Path = tmp_path_factory.mktemp("workbook") / "made.xlsx"
    query = Query(sql=SQL, values={}, columns=COLUMNS)
    with Session(limits(path.parent), [], tenant="acme") as session:
        assert workbook_writer(SheetLimits(rows=6))(session, query, path, framing=Framing()) == 7
    book = openpyxl.load_workbook(path)
    return {name: book[name] for name in book.sheetnames}


def test_the_header_is_bold_stays_in_view_and_filters(sheets: dict[str, Worksheet]) -> None:
    assert list(sheets) == ["Export", "Export 2", "About"]
    for name, last in (("Export", 6), ("Export 2", 3)):
        sheet = sheets[name]
        assert tuple(cell.value for cell in sheet[1]) == COLUMNS
        assert all(cell.font.bold for cell in sheet[1])
        assert not any(cell.font.bold for row in sheet.iter_rows(min_row=2) for cell in row)
        assert sheet.freeze_panes == "A2"
        assert sheet.auto_filter.ref == f"A1:G{last}"
    about = sheets["About"]
    assert (about.freeze_panes, about.auto_filter.ref) == (None, None)


def test_columns_are_wide_enough_for_their_header_and_what_they_hold(sheets: dict[str, Worksheet]) -> None:
    """Room for the filter button is included; a spreadsheet shows an instant in a narrow column as number signs."""
    for name in ("Export", "Export 2"):
        widths = [sheets[name].column_dimensions[letter].width for letter in "ABCDEFG"]
        assert all(width >= len(header) + 2 for width, header in zip(widths, COLUMNS, strict=True))
        assert widths[2] >= len("2026-03-29 01:30:00")
        assert max(widths) <= 60
    assert sheets["About"].column_dimensions["B"].width >= 36  # an id
