"""Options of commands that read files of the operator: what is read, and how."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from offtake.cli.options import printable
from offtake.core.services import Services
from offtake.errors import LakeError
from offtake.lake.ingest.expand import Expansion, InputExpander
from offtake.lake.ingest.readers import FORMATS

_FORMATS = ", ".join(form.name.lower() for form in FORMATS if form.suffixes)

FilesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILES]...",
        help="Files, folders, ZIP archives, - for standard input, s3://, gs://, az:// or https:// URLs, folders of "
        "Delta or Iceberg tables, or a database URL with --query. The suffix of a name tells the format; a name is "
        "never a pattern. env:NAME and url-file:PATH stand for a URL in a variable or file.",
        show_default=False,
    ),
]
GlobOption = Annotated[
    list[str] | None,
    typer.Option("--glob", metavar="PATTERN", help="Read the files, or objects of a bucket, that match a pattern."),
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", metavar="FORMAT", help=f"Format of all inputs, whatever their names say: {_FORMATS}."),
]
EncodingOption = Annotated[
    str | None,
    typer.Option("--encoding", help="Encoding of text, such as windows-1252. Default: by byte order mark, else UTF-8."),
]
SheetOption = Annotated[str | None, typer.Option("--sheet", help="Sheet of a workbook that has several.")]
RecordsOption = Annotated[
    str | None, typer.Option("--records", metavar="PATH", help="Keys that lead to the array of records in JSON: a.b.c")
]
QueryOption = Annotated[str | None, typer.Option("--query", help="Query whose rows are read from the database.")]


def expand(services: Services, files: Sequence[str], patterns: Sequence[str], form: str | None) -> Expansion:
    """Return the inputs that the words of a command name, and report files of folders that are none of them."""
    found = InputExpander(form=form, bucket=services.bucket).expand(files, patterns)
    for name in found.skipped:
        sys.stderr.write(f"offtake: skipped {printable(name)}: its name tells no format\n")
    if not found.inputs:
        raise LakeError("There is no file to load; name at least one.")
    return found
