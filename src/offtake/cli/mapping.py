"""``offtake mapping draft``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offtake.cli.installation import check_output_option, open_home
from offtake.cli.mapping_options import DelimiterOption, reader_options
from offtake.cli.options import DEFAULT_HOME, HomeOption, printable
from offtake.cli.sources import EncodingOption, FormatOption, QueryOption, RecordsOption, SheetOption, expand
from offtake.errors import LakeError, UnknownName
from offtake.lake.ingest.mapping.draft.write import draft
from offtake.lake.ingest.readers.source import ReaderOptions
from offtake.lake.staging import staging
from offtake.lake.tables import tables
from offtake.output_file import output_file

commands = typer.Typer(help="Map columns of files to ours.", no_args_is_help=True, rich_markup_mode=None)


@commands.callback()
def group() -> None:
    """Map columns of files to ours."""


@commands.command("draft")
def write_draft(
    table: Annotated[str, typer.Argument(help="Table of the care data model.")],
    file: Annotated[str, typer.Argument(help="File or URL whose first rows are looked at.")],
    output: Annotated[Path | None, typer.Option(help="File to write. Default: standard output.")] = None,
    form: FormatOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    records: RecordsOption = None,
    query: QueryOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Look at a file and write a mapping to edit, for load --mapping.

    Columns are matched by name, synonym and content; a comment tells the score, from 0.6 to 1. Lines with EDIT need a
    decision. Columns of ours that are missing are listed, the required ones first, and those that are left over.
    Delimiter and encoding of CSV are found out unless they are given.
    """
    target = tables().get(table)
    if target is None:
        raise UnknownName(f"There is no table {table}; the tables are {', '.join(tables())}.")
    if file == "-":
        raise typer.BadParameter("a draft reads its file twice, which standard input cannot do", param_hint="FILE")
    given = reader_options(delimiter=delimiter, encoding=encoding, sheet=sheet, records=records, query=query)
    services = open_home(home)
    inputs = expand(services, [file], (), form).inputs
    if len(inputs) > 1:
        raise LakeError(f"{file}: this names {len(inputs)} files; draft a mapping from one of them.")
    if output is not None:
        check_output_option("--output", output, home, inputs=[each.local for each in inputs if each.local])
    with staging(services.lake.storage.staging) as area:
        text = draft(area, target, inputs[0], ReaderOptions(**given))
    if output is None:
        typer.echo(printable(text), nl=False)
        return
    with output_file(output, inputs=[each.local for each in inputs if each.local]) as written:
        written.write([text])
        written.publish()
