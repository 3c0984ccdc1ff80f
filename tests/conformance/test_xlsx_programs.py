"""Workbooks in other programs: LibreOffice shows every cell, and Microsoft's Open XML SDK finds no fault.

The SDK validates by the rules of Excel. Both programs take seconds, so a few workbooks contain all special cases.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest
import python_calamine

from offtake.engine.duckdb import Session
from offtake.formats.xlsx import XLSX, SheetLimits, workbook_writer
from offtake.model.layout import AboutEntry, FinalCount, Framing
from offtake.model.query import Query
from tests.fixtures.programs import faults, sheets_as_csv
from tests.property.exporting import limits
from tests.property.tables import Table, Value
from tests.strategies import TRICKY_TEXTS

pytestmark = pytest.mark.timeout(900)  # the programs may have to be installed first
Shown = Callable[[Path, str], list[list[str]]]
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://example.org")', "=cmd|' /C calc'!A0", "'quoted")
ESCAPES = ("_x0041_", "_x0041", "_x005F_x0041_", "_x0041\x01", "a\x02b", "]]>", "&lt;", "\ufffe")
TEXTS = tuple(filter(None, (*FORMULAS, *ESCAPES, *TRICKY_TEXTS, "x" * 32_767)))
NUMBERS = (0, 1, -1, 2**53, 2**53 + 1, -(2**63), None)
MOMENTS = (
    datetime(2026, 3, 29, 2, 30, 0, 999_999),  # noqa: DTZ001 - wall time, that of a gap
    datetime(1900, 3, 1),  # noqa: DTZ001
    datetime(1900, 2, 28, 23, 59, 59),  # noqa: DTZ001
    datetime(9999, 12, 31, 23, 59, 59, 999_999),  # noqa: DTZ001
    datetime(1, 1, 1),  # noqa: DTZ001
    None,
)
FACTS = (
    AboutEntry(label="Export", value="3f2a"),
    AboutEntry(label="Rows in all", value=FinalCount.ROWS),
    AboutEntry(label="=1+1", value="-1"),
    AboutEntry(label="Version", value=3),
)
ODD = Table(
    names=("text", "a & b <c>", "=when()", "flag", "lists"),
    types=("VARCHAR", "BIGINT", "TIMESTAMP", "BOOLEAN", "VARCHAR[]"),
    rows=tuple(
        (text, NUMBERS[index % 7], MOMENTS[index % 6], (True, False, None)[index % 3], [text, "=b"][: index % 3])
        for index, text in enumerate(TEXTS)
    ),
)
EMPTY = Table(names=ODD.names, types=ODD.types, rows=())


@dataclass(frozen=True, slots=True)
class Made:
    """The workbooks under test."""

    odd: Path
    parted: Path
    empty: Path

    def paths(self) -> tuple[Path, ...]:
        return (self.odd, self.parted, self.empty)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("programs")
    found = Made(folder / "odd.xlsx", folder / "parted.xlsx", folder / "empty.xlsx")
    memory = replace(limits(folder), memory_mb=16_384)  # the fast writer accepts the longest texts
    with Session(memory, [], tenant="acme") as session:
        for table, path, room in (
            (ODD, found.odd, SheetLimits()),
            (ODD, found.parted, SheetLimits(rows=20)),
            (EMPTY, found.empty, SheetLimits()),
        ):
            query = table.query(empty_text_is_null=True)
            written = workbook_writer(room)(session, query, path, framing=Framing(about=FACTS))
            assert written == len(table.rows)
    return found


def test_the_open_xml_sdk_finds_no_fault(made: Made) -> None:
    assert [faults(path) for path in (made.parted, made.empty)] == [[], []]


def test_the_open_xml_sdk_detects_a_fault(made: Made, tmp_path: Path) -> None:
    """The filter precedes the rows, which the standard forbids."""
    broken = tmp_path / "broken.xlsx"
    with zipfile.ZipFile(made.empty) as whole, zipfile.ZipFile(broken, "w") as copy:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "xl/worksheets/sheet1.xml":
                content = content.replace(b"<sheetData>", b'<autoFilter ref="A1:E1"/><sheetData>')
            copy.writestr(name, content)
    assert faults(broken)


@pytest.fixture(scope="module")
def shown(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Return the cells of a sheet as LibreOffice shows them."""
    folder = tmp_path_factory.mktemp("shown")
    sheets_as_csv(made.paths(), folder)

    def cells(path: Path, sheet: str) -> list[list[str]]:
        with (folder / f"{path.stem}-{sheet}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))

    return cells


def test_libreoffice_shows_every_cell(made: Made, shown: Shown) -> None:
    header, *rows = shown(made.odd, "Export")
    assert header == list(ODD.names)
    assert sorted(rows) == sorted(map(_as_shown, ODD.rows))


def test_libreoffice_shows_every_sheet(made: Made, shown: Shown) -> None:
    """Each sheet has twenty rows: a header and nineteen rows of data."""
    sheets = [shown(made.parted, name) for name in ("Export", "Export 2", "Export 3", "Export 4")]
    assert {tuple(sheet[0]) for sheet in sheets} == {ODD.names}
    assert [len(sheet) for sheet in sheets[:3]] == [20, 20, 20]
    rows = [row for sheet in sheets for row in sheet[1:]]
    assert sorted(rows) == sorted(map(_as_shown, ODD.rows))


def test_libreoffice_shows_an_empty_export(made: Made, shown: Shown) -> None:
    assert shown(made.empty, "Export") == [list(ODD.names)]


def test_libreoffice_shows_the_about_sheet(made: Made, shown: Shown) -> None:
    """The first item of one list fills a cell, so the cell is truncated."""
    assert shown(made.odd, "About") == [
        ["Export", "3f2a"],
        ["Rows in all", str(len(ODD.rows))],
        ["=1+1", "-1"],
        ["Version", "3"],
        ["Truncated cells", "1"],
    ]


def _as_shown(row: tuple[Value, ...]) -> list[str]:
    """LibreOffice reads CR LF as one line end and abbreviates large numbers."""
    text, number, moment, flag, items = row
    assert isinstance(items, list)
    listed = "; ".join(items)
    return [
        str(text).replace("\r\n", "\n"),
        "9.00719925474099E+015" if number == 2**53 else _text(number),
        _text(moment).partition(".")[0],
        _text(flag).upper(),
        (listed if len(listed) <= 32_767 else listed[:32_766] + "…").replace("\r\n", "\n"),
    ]


def _text(value: Value) -> str:
    return "" if value is None else str(value)


def test_rows_beyond_the_limit_of_a_sheet_continue_on_the_next_sheet(tmp_path: Path) -> None:
    """One row more than an Excel sheet holds below a header."""
    path, most = tmp_path / "long.xlsx", 1_048_575
    query = Query(sql=f"SELECT n FROM range({most + 1}) AS t (n)", values={}, columns=("n",))
    with Session(limits(tmp_path), [], tenant="acme") as session:
        assert XLSX.write(session, query, path, framing=Framing()) == most + 1
    counter = XLSX.counter(Framing(), path)
    counter.feed(path.read_bytes())
    assert counter.records() == most + 1
    workbook = python_calamine.CalamineWorkbook.from_path(str(path))
    assert workbook.sheet_names == ["Export", "Export 2", "About"]
    sheets = [workbook.get_sheet_by_name(name) for name in ("Export", "Export 2")]
    assert [sheet.height for sheet in sheets] == [most + 1, 2]
    assert [sheet.to_python(nrows=1)[0] for sheet in sheets] == [["n"], ["n"]]
