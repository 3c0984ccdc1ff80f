"""Reads ``[source]`` of a mapping: how to read the files."""

from __future__ import annotations

from offtake.errors import LakeError
from offtake.lake.ingest.inputs.encodings import ENCODINGS, check_encoding
from offtake.lake.ingest.readers.source import ReaderOptions
from offtake.toml_reader import TomlTable, nearest

KEYS = ("delimiter", "quote", "encoding", "header", "sheet", "records", "query", "ignore", "ignore_extra")


def read_options(source: TomlTable) -> ReaderOptions:
    """Return the options of the reader, and add the faults of the table."""
    source.allow(*KEYS)
    options = ReaderOptions()
    delimiter, quote = source.data.get("delimiter"), source.data.get("quote", options.quote)
    if delimiter is not None and (fault := delimiter_fault(delimiter)):
        source.fault(f"'delimiter' {fault}", "delimiter")
    if quote != "" and (fault := delimiter_fault(quote)):
        source.fault(f"'quote' {fault}; an empty text means that no field is quoted", "quote")
    if delimiter is not None and delimiter == quote:
        source.fault("'delimiter' and 'quote' must differ", "delimiter")
    encoding = source.optional_text("encoding")
    if encoding:
        try:
            encoding = check_encoding(encoding)
        except LakeError:
            source.fault(f"'encoding' is {encoding!r}; {nearest(encoding, list(ENCODINGS))}", "encoding")
    header = source.texts("header")
    return ReaderOptions(
        delimiter=None if delimiter is None else str(delimiter),
        quote=str(quote),
        encoding=encoding,
        header=header or None,
        sheet=source.optional_text("sheet"),
        records=source.optional_text("records"),
        query=source.optional_text("query"),
    )


def delimiter_fault(mark: object) -> str | None:
    """Return why a text cannot be a delimiter or a quote, or None."""
    if isinstance(mark, str) and len(mark) == 1 and mark.isascii() and mark not in " \r\n\0" and not mark.isalnum():
        return None
    return 'must be one ASCII character, such as ";" or "\\t", no letter, digit or blank'
