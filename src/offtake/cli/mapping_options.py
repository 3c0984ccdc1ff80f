"""The options of ``offtake load`` that say how files are read and mapped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from offtake.errors import InvalidZone
from offtake.lake.ingest.inputs.encodings import check_encoding
from offtake.lake.ingest.mapping.adjust import Adjustments, adjusted
from offtake.lake.ingest.mapping.definition import IDENTITY, MappingDefinition
from offtake.lake.ingest.mapping.mapped import TENANT
from offtake.lake.ingest.mapping.toml_mapping import read_mapping
from offtake.lake.ingest.mapping.toml_source import delimiter_fault
from offtake.lake.tables import Table, tables
from offtake.model.timespan import zone
from offtake.toml_reader import nearest

MappingOption = Annotated[
    Path | None, typer.Option("--mapping", help="TOML file that says how columns of the files become ours.")
]
MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="THEIRS=OURS", help="Source column and our column; may be given several times."),
]
IgnoreExtraOption = Annotated[bool, typer.Option("--ignore-extra", help="Leave out columns that nothing uses.")]
ZoneOption = Annotated[
    str | None, typer.Option("--assume-timezone", metavar="ZONE", help="IANA zone of times without an offset.")
]
DelimiterOption = Annotated[
    str | None, typer.Option(help="Character between the fields of CSV; \\t is a tab. Default: a comma.")
]
DecimalOption = Annotated[str | None, typer.Option(help="Mark before the decimals of numbers: . or ,")]


def separate(
    table: str | None, files: Sequence[str] | None, mapping: MappingDefinition, *, has_pattern: bool
) -> tuple[str, list[str]]:
    """Return the table and the files of a command line; with a mapping, TABLE may be left out.

    ``has_pattern``: --glob or --watch names files, so that the first word need not be one.
    """
    named = [*(files or [])]
    if mapping.table is None:
        if table is None:
            message = "name the table, or give --mapping with a file that names it; `offtake tables list` lists tables"
            raise typer.BadParameter(message, param_hint="TABLE")
        return table, named
    if table is None:
        return mapping.table, named
    has_files = bool(named) or has_pattern
    if table in tables() and table != mapping.table and has_files:
        message = f"the mapping is for table {mapping.table}, not {table}; leave TABLE out"
        raise typer.BadParameter(message, param_hint="TABLE")
    if table == mapping.table and has_files:
        return table, named
    return mapping.table, [table, *named]


def read_or_identity(path: Path | None) -> MappingDefinition:
    """Return the mapping of a file, or the one that changes nothing. Raises LakeError."""
    return IDENTITY if path is None else read_mapping(path)


def reader_options(**given: str | None) -> dict[str, Any]:
    """Return the options that are given, by the names of ``ReaderOptions``. Raises BadParameter, LakeError."""
    options: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if options.get("delimiter") in {"\\t", "tab"}:
        options["delimiter"] = "\t"
    if "delimiter" in options and (fault := delimiter_fault(options["delimiter"])):
        raise typer.BadParameter(fault, param_hint="--delimiter")
    if "encoding" in options:
        options["encoding"] = check_encoding(options["encoding"])
    return options


def adjust(
    mapping: MappingDefinition,
    table: Table,
    *,
    renamed: list[str] | None,
    ignore_extra: bool,
    timezone: str | None,
    decimal: str | None,
    reader: Mapping[str, Any],
) -> MappingDefinition:
    """Return the mapping with what the options say; ``reader`` has those of ``reader_options``.

    Raises typer.BadParameter that names the option.
    """
    if decimal not in {None, ".", ","}:
        raise typer.BadParameter(f"{decimal!r} is not one of . and ,", param_hint="--decimal")
    if timezone is not None:
        try:
            zone(timezone)
        except InvalidZone as error:
            raise typer.BadParameter(f"{timezone!r}: {error.message}", param_hint="--assume-timezone") from error
    adjustments = Adjustments(
        renamed=_renamed(table, renamed or []),
        ignores_others=ignore_extra,
        zone=timezone,
        decimal=decimal,
        reader=reader,
    )
    return adjusted(mapping, table, adjustments)


def _renamed(table: Table, pairs: list[str]) -> dict[str, str]:
    known = [*table.by_name, TENANT.name]
    found: dict[str, str] = {}
    for pair in pairs:
        source, _, name = pair.rpartition("=")
        if not source:
            raise typer.BadParameter(f"{pair!r}: write THEIRS=OURS", param_hint="--map")
        if name not in known:
            message = f"{pair!r}: table {table.name} has no column {name!r}; {nearest(name, known)}"
            raise typer.BadParameter(message, param_hint="--map")
        found[name] = source
    return found
