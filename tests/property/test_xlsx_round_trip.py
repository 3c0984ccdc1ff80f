"""Three independent readers find in a workbook every value that was written to it.

The readers are openpyxl, calamine and fastexcel (calamine's cells as typed columns). LibreOffice takes seconds to start
and is tested in ``tests/conformance/test_xlsx_programs.py``.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from pathlib import Path

import fastexcel
import hypothesis
import openpyxl
import pytest
import python_calamine
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from offtake.engine.duckdb import Session
from offtake.formats.workbook.cells import TEXT_LIMIT
from offtake.formats.xlsx import XLSX, SheetLimits, workbook_writer
from offtake.model.layout import AboutEntry, FinalCount, Framing
from tests.property.exporting import limits
from tests.property.tables import Table, Value, names, staged, write
from tests.strategies import decimals, integers, sheet_texts, wall_times

VALUES: Mapping[str, st.SearchStrategy[Value]] = {
    "VARCHAR": sheet_texts(),
    "BIGINT": integers() | st.sampled_from((2**53, 2**53 + 1, -(2**53), -(2**53) - 1)),
    "DOUBLE": decimals(),
    "BOOLEAN": st.booleans(),
    "TIMESTAMP": wall_times(),
    "VARCHAR[]": st.lists(sheet_texts(max_size=3), max_size=3).map(list),
}
FIRST_DAY = datetime(1900, 3, 1)  # noqa: DTZ001 - wall time
ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
ROOMS = (SheetLimits(), SheetLimits(rows=3), SheetLimits(bytes=2000))
Rows = list[list[Value]]


@st.composite
def _tables(draw: DrawFn) -> Table:
    sql_types = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    headers = draw(st.lists(names(), min_size=len(sql_types), max_size=len(sql_types), unique_by=str.casefold))
    rows = draw(st.lists(st.tuples(*(st.none() | VALUES[sql_type] for sql_type in sql_types)), max_size=6))
    return Table(names=tuple(headers), types=tuple(sql_types), rows=tuple(rows))


def _long_texts() -> st.SearchStrategy[str]:
    """Texts around and beyond the size limit of a cell."""
    pieces = st.lists(sheet_texts(max_size=4), min_size=1, max_size=3).map("".join)
    return st.builds(lambda piece, times: piece * times, pieces, st.integers(5_000, 33_000))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One session for all examples."""
    folder = tmp_path_factory.mktemp("xlsx")
    with Session(limits(folder), [], tenant="acme", writable=(folder / "staged.xlsx",)) as opened:
        yield opened


# --- expected cells: docs/reference/xlsx.md ---------------------------------------------------------------------------


def _expected(value: Value) -> Value:
    match value:
        case bool() | float() | None:
            return value
        case int():
            return value if abs(value) <= 2**53 else str(value)
        case datetime():
            second = value.replace(microsecond=0)
            return second if second >= FIRST_DAY else f"{second.isoformat(sep=' '):0>19}"
        case list():
            return _fitted("; ".join(value))
        case str():
            return _fitted(value)


def _fitted(text: str) -> str | None:
    """An empty text is an empty cell; texts beyond the limit have a test of their own."""
    hypothesis.assume(_units(text) <= TEXT_LIMIT)
    return text or None


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


# --- readers: the cells of a sheet, row by row, and each reader's form of a value -------------------------------------


def _by_openpyxl(path: Path, sheet: str) -> Rows:
    """openpyxl does not resolve escapes (ECMA-376 part 1, 22.9.2.19)."""
    rows = openpyxl.load_workbook(path)[sheet].iter_rows(values_only=True)
    return [[_unescaped(value) if isinstance(value, str) else _plain(value) for value in row] for row in rows]


def _unescaped(text: str) -> str | None:
    return ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) or None


def _by_calamine(path: Path, sheet: str) -> Rows:
    rows = python_calamine.CalamineWorkbook.from_path(str(path)).get_sheet_by_name(sheet).to_python()
    return [[_plain(value) for value in row] for row in rows]


def _by_fastexcel(path: Path, sheet: str) -> Rows:
    """Every cell as text, as in a column of mixed cells."""
    frame = fastexcel.read_excel(path).load_sheet(sheet, header_row=None, dtypes="string").to_polars()
    return [[value or None for value in row] for row in frame.iter_rows()]


def _plain(value: object) -> Value:
    """calamine returns midnight as a date, and an empty cell as an empty text."""
    match value:
        case datetime() | bool() | int() | float():
            return value
        case date():
            return datetime.combine(value, time.min)
        case str():
            return value or None
    assert value is None
    return None


def _in_calamine(value: Value) -> Value:
    """calamine does not resolve the two escapes of noncharacters."""
    return re.sub("[\ufffe\uffff]", lambda found: f"_x{ord(found[0]):04X}_", value) if isinstance(value, str) else value


def _in_fastexcel(value: Value) -> Value:
    match value:
        case bool():
            return str(value).lower()
        case int() | datetime():
            return str(value)
    return _in_calamine(value)


def _same(found: Value, wanted: Value) -> bool:
    """Equal, and booleans are not numbers; fastexcel writes numbers with its own digits, with less precision near 0."""
    if isinstance(found, str) and isinstance(wanted, float):
        return float(found) == pytest.approx(wanted, rel=1e-15, abs=1e-9)
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)


READERS: Mapping[str, tuple[Callable[[Path, str], Rows], Callable[[Value], Value]]] = {
    "openpyxl": (_by_openpyxl, lambda value: value),
    "calamine": (_by_calamine, _in_calamine),
    "fastexcel": (_by_fastexcel, _in_fastexcel),
}


def _compare(found: Rows, wanted: Rows) -> None:
    """Compares cell by cell; readers omit or pad empty cells at the end of a row or a sheet."""
    found, wanted = _trimmed(found), _trimmed(wanted)
    assert len(found) == len(wanted)
    for row, wanted_row in zip(found, wanted, strict=True):
        assert len(row) == len(wanted_row), (row, wanted_row)
        assert all(map(_same, row, wanted_row)), (row, wanted_row)


def _trimmed(rows: Rows) -> Rows:
    trimmed = [
        row[: max((column for column, value in enumerate(row, 1) if value is not None), default=0)] for row in rows
    ]
    while trimmed and not trimmed[-1]:
        trimmed.pop()
    return trimmed


@hypothesis.settings(max_examples=150, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(table=_tables(), room=st.sampled_from(ROOMS))
def test_three_readers_find_every_value_in_its_cell(session: Session, table: Table, room: SheetLimits) -> None:
    wanted = [[_expected(value) for value in row] for row in table.rows]
    path = staged(session)
    write = workbook_writer(room)
    assert write(session, table.query(empty_text_is_null=True), path, framing=Framing()) == len(table.rows)
    *sheets, about = openpyxl.load_workbook(path, read_only=True).sheetnames
    assert about == "About"
    assert sheets == ["Export", *(f"Export {number}" for number in range(2, len(sheets) + 1))]
    for read, say in READERS.values():
        found: Rows = []
        for sheet in sheets:
            header, *rows = read(path, sheet)
            _compare([header], [[say(name) for name in table.names]])
            if sheet != sheets[-1] and room.rows == 3:
                assert len(rows) <= 2
            found += rows
        if len(sheets) == 1 or all(any(value is not None for value in row) for row in wanted):
            _compare(found, [[say(value) for value in row] for row in wanted])


@hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(texts=st.lists(_long_texts(), min_size=1, max_size=2))
def test_a_text_beyond_the_limit_of_a_cell_is_truncated_and_counted(session: Session, texts: list[str]) -> None:
    path = staged(session)
    table = Table(names=("text",), types=("VARCHAR",), rows=tuple((text,) for text in texts))
    framing = Framing(about=(AboutEntry(label="Cut", value=FinalCount.CUT_CELLS),))
    write(XLSX, session, table.query(empty_text_is_null=True), path, framing)
    found = [row[0] if row else None for row in _by_openpyxl(path, "Export")[1:]]
    for text, cell in zip(texts, found + [None] * (len(texts) - len(found)), strict=True):
        if _units(text) <= TEXT_LIMIT:
            assert cell == (text or None)
        else:
            assert isinstance(cell, str)
            assert cell.endswith("…")
            assert text.startswith(cell[:-1])
            assert 0.74 * TEXT_LIMIT < _units(cell) <= TEXT_LIMIT
            assert _units(cell) >= TEXT_LIMIT - 1 or len({_units(character) for character in text}) == 2
    assert _by_openpyxl(path, "About")[0] == ["Cut", sum(_units(text) > TEXT_LIMIT for text in texts)]


def test_truncated_texts_on_the_sheet_about_are_counted_there(session: Session) -> None:
    """A truncated cell, header, label and value are counted; the longest text that fits is not."""
    path = staged(session)
    long, whole = "x" * (TEXT_LIMIT + 1), "y" * TEXT_LIMIT
    facts = (
        AboutEntry(label="Cut", value=FinalCount.CUT_CELLS),
        AboutEntry(label="Rows", value=FinalCount.ROWS),
        AboutEntry(label=long, value=whole),
        AboutEntry(label="Filter", value=long),
        AboutEntry(label="Version", value=10**15),
    )
    table = Table(names=(long, "b"), types=("VARCHAR", "VARCHAR"), rows=((long, whole), ("", None)))
    write(XLSX, session, table.query(empty_text_is_null=True), path, Framing(about=facts))
    cut = long[: TEXT_LIMIT - 1] + "…"
    for read in (_by_openpyxl, _by_calamine):
        about = [["Cut", 4], ["Rows", 2], [cut, whole], ["Filter", cut], ["Version", 10**15]]
        assert read(path, "About") == about
        assert _trimmed(read(path, "Export")) == [[cut, "b"], [cut, whole]]


def test_an_empty_value_is_a_cell_without_content(session: Session) -> None:
    """Null, an empty text and an empty list: a reader may distinguish an empty text from an empty cell."""
    path = staged(session)
    table = Table(names=("a", "b"), types=("VARCHAR", "VARCHAR[]"), rows=((None, None), ("", []), (None, [""])))
    XLSX.write(session, table.query(empty_text_is_null=True), path, framing=Framing())
    with zipfile.ZipFile(path) as package:
        sheet = package.read("xl/worksheets/sheet1.xml").decode()
    assert re.findall("<row>.*</row>", sheet)[1:] == ["<row><c/><c/></row>"] * 3
