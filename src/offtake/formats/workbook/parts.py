"""The parts of a workbook other than rows, as Excel writes and expects them (ECMA-376 parts 1 and 2, transitional).

Sheets are listed in the order in which they were written. The elements of a sheet follow the order of CT_Worksheet
(18.3.1.99): views, columns, rows, filter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from offtake.formats.workbook.cells import is_boolean, is_instant, is_number

_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_SHEET_ML = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE_TYPE = "application/vnd.openxmlformats-officedocument"
_SHEET_TYPE = f"{_OFFICE_TYPE}.spreadsheetml.worksheet+xml"

_MAX_WIDTH = 60  # characters; a wider column pushes its neighbours out of view
_FILTER_BUTTON = 3  # characters of a header that the button covers
_WIDTHS = ((is_instant, 20), (is_boolean, 8), (is_number, 11))
_TEXT_WIDTH = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A finished sheet: its name in the workbook, its part, and the range of its filter, if any."""

    name: str
    part: str
    filtered: str | None = None


def sheet_head(columns: str, *, selected: bool) -> bytes:
    """Return the XML before the first row, with a frozen header row. ``columns`` comes from ``widths``."""
    tab = ' tabSelected="1"' if selected else ""
    return (
        f'{_DECLARATION}<worksheet xmlns="{_SHEET_ML}"><sheetViews><sheetView{tab} workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
        '<selection pane="bottomLeft" activeCell="A2" sqref="A2"/></sheetView></sheetViews>'
        f'<sheetFormatPr defaultRowHeight="15"/>{columns}<sheetData>\n'
    ).encode()


def plain_sheet_head(columns: str) -> bytes:
    """Return the XML before the first row of a sheet without a header row."""
    return (
        f'{_DECLARATION}<worksheet xmlns="{_SHEET_ML}"><sheetViews><sheetView workbookViewId="0"/></sheetViews>'
        f'<sheetFormatPr defaultRowHeight="15"/>{columns}<sheetData>\n'
    ).encode()


def sheet_tail(filtered: str | None) -> bytes:
    """Return the XML after the last row."""
    auto_filter = f'<autoFilter ref="{filtered}"/>' if filtered else ""
    return f"</sheetData>{auto_filter}</worksheet>".encode()


def widths(headers: Sequence[str], sql_types: Sequence[str]) -> str:
    """Return the columns element: each is wide enough for its header and for usual values of its type."""
    return columns(
        min(_MAX_WIDTH, max(_usual_width(sql_type), len(header) + _FILTER_BUTTON))
        for header, sql_type in zip(headers, sql_types, strict=True)
    )


def columns(sizes: Iterable[int]) -> str:
    """Return the columns element for widths in characters."""
    elements = (
        f'<col min="{number}" max="{number}" width="{size}" customWidth="1"/>' for number, size in enumerate(sizes, 1)
    )
    return f"<cols>{''.join(elements)}</cols>"


def _usual_width(sql_type: str) -> int:
    return next((width for is_of_type, width in _WIDTHS if is_of_type(sql_type)), _TEXT_WIDTH)


def cells_to(column: int, row: int) -> str:
    """Return the range from A1 to the given cell, such as ``A1:AB12``."""
    return f"A1:{letters(column)}{row}"


def letters(column: int) -> str:
    """Return the name of a column by its number; A is 1."""
    name = ""
    while column:
        column, digit = divmod(column - 1, 26)
        name = chr(65 + digit) + name
    return name


def workbook(sheets: Sequence[Sheet]) -> bytes:
    """Return ``xl/workbook.xml``. Excel requires a hidden defined name for each sheet's filter."""
    listed = "".join(
        f'<sheet name="{sheet.name}" sheetId="{number}" r:id="rId{number}"/>' for number, sheet in enumerate(sheets, 1)
    )
    names = "".join(
        f'<definedName name="_xlnm._FilterDatabase" localSheetId="{number}" hidden="1">'
        f"'{sheet.name}'!{_absolute(sheet.filtered)}</definedName>"
        for number, sheet in enumerate(sheets)
        if sheet.filtered
    )
    return (
        f'{_DECLARATION}<workbook xmlns="{_SHEET_ML}" xmlns:r="{_DOCUMENT}/relationships"><workbookPr/>'
        '<bookViews><workbookView xWindow="0" yWindow="0" windowWidth="28800" windowHeight="15000"/></bookViews>'
        f"<sheets>{listed}</sheets><definedNames>{names}</definedNames></workbook>"
    ).encode()


def _absolute(cells: str) -> str:
    """Return ``A1:B2`` as ``$A$1:$B$2``."""
    return re.sub(r"([A-Z]+)(\d+)", r"$\1$\2", cells)


def workbook_relations(sheets: Sequence[Sheet]) -> bytes:
    """Return ``xl/_rels/workbook.xml.rels``."""
    worksheets = [(f"{_DOCUMENT}/relationships/worksheet", sheet.part.removeprefix("xl/")) for sheet in sheets]
    return _relations([*worksheets, (f"{_DOCUMENT}/relationships/styles", "styles.xml")])


def content_types(sheets: Sequence[Sheet]) -> bytes:
    """Return ``[Content_Types].xml``."""
    types = [
        ("xl/workbook.xml", f"{_OFFICE_TYPE}.spreadsheetml.sheet.main+xml"),
        *((sheet.part, _SHEET_TYPE) for sheet in sheets),
        ("xl/styles.xml", f"{_OFFICE_TYPE}.spreadsheetml.styles+xml"),
        ("docProps/core.xml", "application/vnd.openxmlformats-package.core-properties+xml"),
        ("docProps/app.xml", f"{_OFFICE_TYPE}.extended-properties+xml"),
    ]
    listed = "".join(f'<Override PartName="/{part}" ContentType="{content_type}"/>' for part, content_type in types)
    return (
        f'{_DECLARATION}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{listed}</Types>'
    ).encode()


def _relations(targets: Sequence[tuple[str, str]]) -> bytes:
    listed = "".join(
        f'<Relationship Id="rId{number}" Type="{relationship}" Target="{target}"/>'
        for number, (relationship, target) in enumerate(targets, 1)
    )
    return f'{_DECLARATION}<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'.encode()


PACKAGE_RELATIONS = _relations(
    [
        (f"{_DOCUMENT}/relationships/officeDocument", "xl/workbook.xml"),
        (f"{_PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml"),
        (f"{_DOCUMENT}/relationships/extended-properties", "docProps/app.xml"),
    ]
)
CORE_PROPERTIES = (
    f'{_DECLARATION}<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties"'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:creator>Offtake</dc:creator></cp:coreProperties>'
).encode()
APPLICATION_PROPERTIES = (
    f'{_DECLARATION}<Properties xmlns="{_DOCUMENT}/extended-properties"><Application>Offtake</Application></Properties>'
).encode()
# The cell formats are those of ``cells.Style``, in that order.
STYLES = (
    f'{_DECLARATION}<styleSheet xmlns="{_SHEET_ML}">'
    '<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy-mm-dd hh:mm:ss"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/><family val="2"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/><family val="2"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
).encode()
