"""File formats. To add a format, write its module and list it in ``FORMATS``."""

from offtake.errors import FieldFault, InvalidRequest
from offtake.formats.arrow import ARROW
from offtake.formats.compression import compressed
from offtake.formats.copy_writer import partition_file
from offtake.formats.csv import CSV
from offtake.formats.format import Format, Writer
from offtake.formats.json import JSON, JSON_LINES
from offtake.formats.parquet import PARQUET
from offtake.formats.xlsx import XLSX
from offtake.model.format_options import Compression, nearest_of
from offtake.model.request import ExportRequest

FORMATS: tuple[Format, ...] = (CSV, JSON, JSON_LINES, XLSX, PARQUET, ARROW)
_BY_NAME = {file_format.name: file_format for file_format in FORMATS}

__all__ = ["FORMATS", "Format", "Writer", "check_format", "format_named", "format_of", "partition_file"]


def format_named(name: str, compression: Compression | None = None) -> Format:
    """Return the format of that name, with its default compression or another one that it accepts.

    Raises KeyError; names are validated before a job is created (``check_format``).
    """
    file_format = _BY_NAME[name]
    if compression in (None, file_format.compressions[0]):
        return file_format
    return file_format.recoded(compression) if file_format.recoded else compressed(file_format, compression)


def format_of(request: ExportRequest) -> Format:
    """Return the format of a request's file, with its compression."""
    return format_named(request.format, request.compression)


def check_format(request: ExportRequest) -> None:
    """Raise InvalidRequest if there is no such format, or if it has no such compression or options."""
    file_format = _BY_NAME.get(request.format)
    if file_format is None:
        fault = FieldFault("format", f"there is no such format; {nearest_of(request.format, _BY_NAME)}")
        raise InvalidRequest("There is no such format.", [fault])
    faults = []
    if request.compression is not None and request.compression not in file_format.compressions:
        accepted = ", ".join(file_format.compressions)
        faults.append(FieldFault("compression", f"{file_format.name} has no {request.compression}; use {accepted}"))
    if request.format_options is not None and file_format is not CSV:
        faults.append(FieldFault("csv", f"applies to the format csv, and the format is {file_format.name}; remove it"))
    if faults:
        raise InvalidRequest("The format does not have these options.", faults)
