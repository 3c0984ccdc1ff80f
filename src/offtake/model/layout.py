"""Layout of a file: its columns, the framing of its rows and, in a workbook, the lines about the export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from offtake.model.format_options import CsvOptions
from offtake.model.job import Job
from offtake.model.report import PublishedColumn

DEFAULT_PATTERN = "%Y-%m-%d %H:%M:%S"  # strftime pattern of instants for dialects without locales


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnLayout:
    """The columns of a file in order, their headers, the sort order of the rows and the pattern of instants."""

    columns: tuple[PublishedColumn, ...]
    headers: tuple[str, ...]
    instant_pattern: str = DEFAULT_PATTERN
    # Columns of the report, which the file need not contain; a leading "-": descending.
    order: tuple[str, ...] = ()
    # Whether text that a spreadsheet would run as a formula is prefixed with an apostrophe.
    guard_formulas: bool = False


class FinalCount(Enum):
    """A number that is known only after the last row has been written."""

    ROWS = "rows"
    CUT_CELLS = "cut cells"  # texts longer than a cell of the format can hold


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutEntry:
    """One line about an export, for formats that have a place for such lines."""

    label: str
    value: str | int | FinalCount


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """What a dialect writes around the rows; each format uses the members it has a place for.

    JSON array: ``head``, the rows, ``tail``, the number of rows if ``counted``, ``end``. ``tail`` begins with ``]``,
    which distinguishes a whole file from a cut one. CSV: ``csv``. Workbook: ``about`` fills the last sheet, in this
    order. Parquet and Arrow: ``metadata``, the key-value metadata of the file.
    """

    head: str = "["
    tail: str = "]"
    end: str = ""
    counted: bool = False
    csv: CsvOptions = field(default_factory=CsvOptions)
    about: tuple[AboutEntry, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


def _no_about(job: Job, made_at: datetime) -> tuple[AboutEntry, ...]:
    """A dialect that writes no lines about the job."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A dialect's layout of one export.

    ``about`` returns the lines about the job and the instant at which the file was made; the attempt calls it and puts
    the result into the framing.
    """

    shown: ColumnLayout
    framing: Framing = field(default_factory=Framing)
    about: Callable[[Job, datetime], tuple[AboutEntry, ...]] = _no_about
