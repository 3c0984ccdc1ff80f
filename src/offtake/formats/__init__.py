"""File formats. To add one, write its module and name it here."""

from offtake.formats.copy_writer import partition_file
from offtake.formats.csv import CSV
from offtake.formats.format import Format
from offtake.formats.json import JSON, JSON_LINES
from offtake.formats.xlsx import XLSX

FORMATS: tuple[Format, ...] = (CSV, JSON, JSON_LINES, XLSX)

__all__ = ["FORMATS", "Format", "format_named", "partition_file"]


def format_named(name: str) -> Format:
    """The format of that name; a name that is in no job cannot come here, so an unknown one is a KeyError."""
    return {item.name: item for item in FORMATS}[name]
