"""XLSX: a sheet ``Export`` of typed cells, continued as ``Export 2``, … at Excel's row limit, and a sheet ``About``.

The engine encodes each row as XML. This module deflates it and appends it to the file, one batch of rows in memory at a
time. docs/reference/xlsx.md describes the layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path

from offtake.formats.format import Format, RowSource, Writer
from offtake.formats.workbook import cells, parts
from offtake.formats.workbook.cells import Style
from offtake.formats.workbook.counter import DATA_PARTS, WorkbookCounter
from offtake.formats.workbook.package import Package, Part
from offtake.formats.workbook.parts import Sheet
from offtake.model.format_options import Compression
from offtake.model.layout import AboutEntry, FinalCount, Framing
from offtake.model.query import Query
from offtake.model.typed_values import ValueForm

_BUFFER = 256 * 1024  # bytes between writes to the file
_COPIES = 8  # memory of the encoding, as a multiple of the text of a vector (DuckDB 2.0)
_GROUP_LENGTH = 1024 * 1024  # characters and bytes of rows that are encoded at a time
_ABOUT_WIDTHS = (24, 60)
# Entries of About in every workbook, unless the dialect places them itself.
_DEFAULT_COUNTS = (
    AboutEntry(label="Rows", value=FinalCount.ROWS),
    AboutEntry(label="Truncated cells", value=FinalCount.CUT_CELLS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetLimits:
    """Limits of a sheet: rows in Excel, with the header; bytes of XML without zip64."""

    rows: int = 1_048_576
    bytes: int = 0xF000_0000


class _Sheets:
    """Writes the data sheets one after the other; starts the next sheet when a row does not fit."""

    def __init__(self, package: Package, *, head: str, header: bytes, width: int, limits: SheetLimits) -> None:
        self._package = package
        self._head = head
        self._header = header
        self._width = width
        self._limits = limits
        self._used = 0  # rows of the open sheet
        self.finished: list[Sheet] = []
        self._part = self._begin()

    def write(self, rows: list[bytes]) -> None:
        """Append rows."""
        while rows:
            free = self._free(rows)
            if free:
                self._part.write(b"".join(rows[:free]))
                self._used += free
            rows = rows[free:]
            if rows:
                self.finish()
                self._part = self._begin()

    def _free(self, rows: list[bytes]) -> int:
        """Return how many of the rows fit into the open sheet; an empty sheet accepts a row of any length."""
        free = min(len(rows), self._limits.rows - self._used)
        free_bytes = self._limits.bytes - self._part.size
        if sum(map(len, rows)) <= free_bytes:
            return free
        fitting = sum(end <= free_bytes for end in accumulate(map(len, rows[:free])))
        return max(fitting, 1 if self._used == 1 else 0)

    def finish(self) -> None:
        """Close the open sheet."""
        filtered = parts.cells_to(self._width, self._used)
        self._part.write(parts.sheet_tail(filtered))
        self._package.end(self._part)
        number = len(self.finished) + 1
        name = "Export" if number == 1 else f"Export {number}"
        self.finished.append(Sheet(name=name, part=_data_part(number), filtered=filtered))

    def _begin(self) -> Part:
        number = len(self.finished) + 1
        part = self._package.begin(_data_part(number))
        part.write(parts.sheet_head(self._head, selected=number == 1) + self._header)
        self._used = 1
        return part


def workbook_writer(limits: SheetLimits, *, wide: bool = False, in_groups: bool = False) -> Writer:
    """Return the XLSX writer with these sheet limits; with ``wide``, the one for wide rows.

    With ``in_groups``, it is for wide rows that share long texts.
    """
    encode = partial(_wide_batches, in_groups=in_groups) if wide else _batches

    def write(rows: RowSource, query: Query, path: Path, *, framing: Framing) -> int:
        sql_types = rows.types(query)
        header, cuts = _text_cells(rows, query.columns, Style.BOLD)
        with path.open("wb", buffering=_BUFFER) as file:
            package = Package(file.write)
            package.add("_rels/.rels", parts.PACKAGE_RELATIONS)
            package.add("docProps/app.xml", parts.APPLICATION_PROPERTIES)
            package.add("docProps/core.xml", parts.CORE_PROPERTIES)
            package.add("xl/styles.xml", parts.STYLES)
            sheets = _Sheets(
                package,
                head=parts.widths(query.columns, sql_types),
                header=cells.row(header),
                width=len(query.columns),
                limits=limits,
            )
            counts = {FinalCount.ROWS: 0, FinalCount.CUT_CELLS: cuts}
            for batch in encode(rows, query, sql_types):
                sheets.write([row for row, _ in batch])
                counts[FinalCount.ROWS] += len(batch)
                counts[FinalCount.CUT_CELLS] += sum(cut for _, cut in batch)
            sheets.finish()
            about = _about(rows, framing.about, counts)
            package.add(_ABOUT.part, about)
            _add_index(package, [*sheets.finished, _ABOUT])
            package.close()
        return counts[FinalCount.ROWS]

    return write


def _batches(rows: RowSource, query: Query, sql_types: Sequence[str]) -> Iterator[Sequence[tuple[bytes, int]]]:
    """Yield batches of rows: the bytes of each, and how many of its texts are truncated."""
    encoded = cells.rows(rows.checked(query, copies=_COPIES), sql_types)
    for partition in range(rows.partitions):
        yield from rows.encoded(encoded, partition=partition)


def _wide_batches(
    rows: RowSource, query: Query, sql_types: Sequence[str], *, in_groups: bool
) -> Iterator[Sequence[tuple[bytes, int]]]:
    """Yield the same as ``_batches``, but encode long texts in small groups."""
    encode = partial(cells.pieces, types=sql_types)
    for partition in range(rows.partitions):
        group: list[list[bytes | str]] = []
        length = 0
        pieces = (
            rows.stream_in_groups(query, encode, partition=partition)
            if in_groups
            else rows.stream(encode(query), partition=partition)
        )
        for row in pieces:
            group.append([cell if text is None else text for cell, text in zip(row[::2], row[1::2], strict=True)])
            length += sum(map(len, group[-1]))
            if length > _GROUP_LENGTH:
                yield _encoded(rows, group)
                group, length = [], 0
        yield _encoded(rows, group)


def _encoded(rows: RowSource, group: Sequence[Sequence[bytes | str]]) -> list[tuple[bytes, int]]:
    """Return the rows of a group, whose long texts are not encoded yet."""
    texts = [piece for row in group for piece in row if isinstance(piece, str)]
    encoded = iter(rows.evaluate(cells.text_cells(texts, Style.PLAIN)) if texts else ())
    result = []
    for row in group:
        pairs = [next(encoded) if isinstance(piece, str) else (piece, 0) for piece in row]
        result.append((cells.row(cell for cell, _ in pairs), sum(cut for _, cut in pairs)))
    return result


_ABOUT = Sheet(name="About", part="xl/worksheets/about.xml")


def _data_part(number: int) -> str:
    return f"{DATA_PARTS}{number}.xml"


def _add_index(package: Package, sheets: list[Sheet]) -> None:
    """Add the parts that list the sheets."""
    package.add("xl/workbook.xml", parts.workbook(sheets))
    package.add("xl/_rels/workbook.xml.rels", parts.workbook_relations(sheets))
    package.add("[Content_Types].xml", parts.content_types(sheets))


def _about(rows: RowSource, about: tuple[AboutEntry, ...], counts: Mapping[FinalCount, int]) -> bytes:
    """Return the About sheet: labels and values. Its own truncated cells are included in the count that it shows."""
    present = {entry.value for entry in about}
    entries = [*about, *(entry for entry in _DEFAULT_COUNTS if entry.value not in present)]
    labels, cut_labels = _text_cells(rows, [entry.label for entry in entries], Style.PLAIN)
    values = [entry.value if isinstance(entry.value, str) else "" for entry in entries]
    texts, cut_texts = _text_cells(rows, values, Style.PLAIN)
    counts = {**counts, FinalCount.CUT_CELLS: counts[FinalCount.CUT_CELLS] + cut_labels + cut_texts}
    sheet_rows = (
        cells.row((label, text if isinstance(entry.value, str) else cells.number_cell(_number(entry.value, counts))))
        for label, text, entry in zip(labels, texts, entries, strict=True)
    )
    return parts.plain_sheet_head(parts.columns(_ABOUT_WIDTHS)) + b"".join(sheet_rows) + parts.sheet_tail(None)


def _number(value: int | FinalCount, counts: Mapping[FinalCount, int]) -> int:
    return counts[value] if isinstance(value, FinalCount) else value


def _text_cells(rows: RowSource, texts: Sequence[str], style: Style) -> tuple[list[bytes], int]:
    """Return cells of texts that are not rows of the report, and how many of them were truncated."""
    encoded = rows.evaluate(cells.text_cells(texts, style))
    return [cell for cell, _ in encoded], sum(cut for _, cut in encoded)


XLSX: Format = Format(
    name="xlsx",
    suffix="xlsx",
    media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    is_text=False,
    empty_text_is_null=True,
    in_order=True,
    values=ValueForm.CELLS,
    compressions=(Compression.NONE,),  # it is a zip
    write=workbook_writer(SheetLimits()),
    write_wide=(
        workbook_writer(SheetLimits(), wide=True),
        workbook_writer(SheetLimits(), wide=True, in_groups=True),
    ),
    counter=lambda *_: WorkbookCounter(),
)
