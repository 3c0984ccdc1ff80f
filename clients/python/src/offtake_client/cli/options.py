"""Options that several commands have, and what they open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offtake_client import Column, Offtake
from offtake_client.cli.output import Output
from offtake_client.dialect_client import DialectName
from offtake_client.errors import UnknownOption
from offtake_client.export_request import Condition, Scalar

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object on standard output.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print no messages and no progress.")]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", help="Profile of offtake-client login, instead of the environment.")
]
LastOption = Annotated[
    str | None,
    typer.Option("--last", help="The last whole hours, days, weeks or months, such as 24h or 7d, or previous_month."),
]
StartOption = Annotated[str | None, typer.Option("--start", help="Instead of --last: the first instant or day.")]
EndOption = Annotated[str | None, typer.Option("--end", help="The end, which is not part of the timespan.")]
ZoneOption = Annotated[str, typer.Option("--timezone", help="Time zone of days and of times without an offset.")]
ColumnsOption = Annotated[str | None, typer.Option("--columns", help="Columns in order, separated by commas.")]
WhereOption = Annotated[
    list[str],
    typer.Option(
        "--where",
        help="A filter: column=value, column=value,value, column=first..end, or column= for rows without a value.",
    ),
]
OrderOption = Annotated[
    str | None, typer.Option("--order", help="Columns by which rows are sorted; -column sorts in descending order.")
]
DialectOption = Annotated[
    DialectName | None,
    typer.Option(
        metavar="NAME",
        help="Speak the API of khoros, talkdesk or loop, with its credentials, instead of the native one.",
    ),
]
_RANGE = ".."


def connect(profile: str | None, output: Output) -> Offtake:
    """Connect to the server of the profile or the environment. Raises ProfileError."""
    return Offtake(profile=profile, note=output.note)


def resume_command(folder: Path, dialect: str | None = None) -> str:
    """Return the command that goes on with the downloads of a folder."""
    return f"offtake-client resume {folder}{f' --dialect {dialect}' if dialect else ''}"


def names(text: str | None) -> list[str] | None:
    """Return names that are separated by commas."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def conditions(given: list[str], report: str, offtake: Offtake) -> dict[str, Condition]:
    """Return the filters of ``--where``, with values of the types of their columns. Raises UnknownOption."""
    if not given:
        return {}
    columns = {column.name: column for column in offtake.describe(report).columns}
    found: dict[str, Condition] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UnknownOption(f"--where {text} has no column.", "Write column=value.")
        if name in found:
            raise UnknownOption(f"--where names {name} twice.", f"Write {name}=first,second.")
        found[name] = _condition(value, columns.get(name))
    return found


def _condition(text: str, column: Column | None) -> Condition:
    if not text:
        return None
    if _RANGE in text:
        first, _, end = text.partition(_RANGE)
        return (_value(first, column) if first else None, _value(end, column) if end else None)
    values = [_value(value, column) for value in text.split(",")]
    return values[0] if len(values) == 1 else values


def _value(text: str, column: Column | None) -> Scalar:
    """Return a value in the type of its column. The server names the columns if there is no such one."""
    kind = column.type if column else "text"
    try:
        if kind in ("integer", "seconds", "milliseconds"):
            return int(text)
        if kind == "decimal":
            return float(text)
    except ValueError as error:
        raise UnknownOption(f"--where {column.name if column else ''}={text}: this is no number.") from error
    if kind == "boolean":
        if text not in ("true", "false"):
            raise UnknownOption(f"--where {column.name if column else ''}={text}: this is neither true nor false.")
        return text == "true"
    return text
