"""The parts of a workbook around its rows, as Excel writes and expects them (ECMA-376 parts 1 and 2, transitional).

Sheets come in the order in which they were written. Elements of a sheet stand in the order of CT_Worksheet (18.3.1.99):
views, columns, rows, filter.
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

_WIDEST = 60  # characters; a column that is wider hides its neighbours
_FILTER_BUTTON = 3  # characters that it covers of a header
_WIDTHS = ((is_instant, 20), (is_boolean, 8), (is_number, 11))
_TEXT_WIDTH = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A finished sheet: its name in the workbook, the name of its part, and the cells its filter covers, if any."""

    name: str
    part: str
    filtered: str | None = None


def sheet_head(columns: str, *, selected: bool) -> bytes:
    """What stands before the first row: the header row stays in view. ``columns`` are from ``widths``."""
    tab = ' tabSelected="1"' if selected else ""
    return (
        f'{_DECLARATION}<worksheet xmlns="{_SHEET_ML}"><sheetViews><sheetView{tab} workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
        '<selection pane="bottomLeft" activeCell="A2" sqref="A2"/></sheetView></sheetViews>'
        f'<sheetFormatPr defaultRowHeight="15"/>{columns}<sheetData>\n'
    ).encode()


def plain_sheet_head(columns: str) -> bytes:
    """The same for a sheet without a header row."""
    return (
        f'{_DECLARATION}<worksheet xmlns="{_SHEET_ML}"><sheetViews><sheetView workbookViewId="0"/></sheetViews>'
        f'<sheetFormatPr defaultRowHeight="15"/>{columns}<sheetData>\n'
    ).encode()


def sheet_tail(filtered: str | None) -> bytes:
    """What stands behind the last row."""
    shown = f'<autoFilter ref="{filtered}"/>' if filtered else ""
    return f"</sheetData>{shown}</worksheet>".encode()


def widths(headers: Sequence[str], kinds: Sequence[str]) -> str:
    """Columns wide enough for the header and for what the type usually holds."""
    return columns(
        min(_WIDEST, max(_usual(kind), len(header) + _FILTER_BUTTON))
        for header, kind in zip(headers, kinds, strict=True)
    )


def columns(sizes: Iterable[int]) -> str:
    """The widths of columns, in characters."""
    shown = (
        f'<col min="{number}" max="{number}" width="{size}" customWidth="1"/>' for number, size in enumerate(sizes, 1)
    )
    return f"<cols>{''.join(shown)}</cols>"


def _usual(kind: str) -> int:
    return next((width for fits, width in _WIDTHS if fits(kind)), _TEXT_WIDTH)


def cells_to(column: int, row: int) -> str:
    """The cells from A1 to the last of a sheet: ``A1:AB12``."""
    return f"A1:{letters(column)}{row}"


def letters(column: int) -> str:
    """The name of the column with that number; A is 1."""
    name = ""
    while column:
        column, digit = divmod(column - 1, 26)
        name = chr(65 + digit) + name
    return name


def workbook(sheets: Sequence[Sheet]) -> bytes:
    """``xl/workbook.xml``. Excel looks for a sheet's filter under a hidden name, too."""
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
    """``A1:B2`` as ``$A$1:$B$2``."""
    return re.sub(r"([A-Z]+)(\d+)", r"$\1$\2", cells)


def workbook_relations(sheets: Sequence[Sheet]) -> bytes:
    """``xl/_rels/workbook.xml.rels``."""
    found = [(f"{_DOCUMENT}/relationships/worksheet", sheet.part.removeprefix("xl/")) for sheet in sheets]
    return _relations([*found, (f"{_DOCUMENT}/relationships/styles", "styles.xml")])


def content_types(sheets: Sequence[Sheet]) -> bytes:
    """``[Content_Types].xml``."""
    types = [
        ("xl/workbook.xml", f"{_OFFICE_TYPE}.spreadsheetml.sheet.main+xml"),
        *((sheet.part, _SHEET_TYPE) for sheet in sheets),
        ("xl/styles.xml", f"{_OFFICE_TYPE}.spreadsheetml.styles+xml"),
        ("docProps/core.xml", "application/vnd.openxmlformats-package.core-properties+xml"),
        ("docProps/app.xml", f"{_OFFICE_TYPE}.extended-properties+xml"),
    ]
    listed = "".join(f'<Override PartName="/{part}" ContentType="{kind}"/>' for part, kind in types)
    return (
        f'{_DECLARATION}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{listed}</Types>'
    ).encode()


def _relations(found: Sequence[tuple[str, str]]) -> bytes:
    listed = "".join(
        f'<Relationship Id="rId{number}" Type="{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(found, 1)
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
