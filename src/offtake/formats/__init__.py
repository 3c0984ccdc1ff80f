"""File formats. To add a format, write its module and list it in ``FORMATS``."""

from offtake.formats.copy_writer import partition_file
from offtake.formats.csv import CSV
from offtake.formats.format import Format, Writer
from offtake.formats.json import JSON, JSON_LINES
from offtake.formats.xlsx import XLSX

FORMATS: tuple[Format, ...] = (CSV, JSON, JSON_LINES, XLSX)

__all__ = ["FORMATS", "Format", "Writer", "format_named", "partition_file"]


def format_named(name: str) -> Format:
    """Return the format of that name. Raises KeyError; names are validated before a job is created."""
    return {item.name: item for item in FORMATS}[name]
