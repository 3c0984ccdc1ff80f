"""The options of ``offtake load`` that say which rows are rejected, replaced or deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from offtake.errors import ReversedTimespan
from offtake.lake.ingest.max_rejects import MaxRejects, parse_max_rejects
from offtake.model.timespan import Timespan

RejectToOption = Annotated[
    Path | None, typer.Option(help="Write the rejected rows, with reasons, to this file, readable by you only.")
]
MaxRejectsOption = Annotated[
    str,
    typer.Option(
        metavar="N|N%", help="Load the valid rows if at most so many rows, or percent of the rows, are rejected."
    ),
]
ReplaceWindowOption = Annotated[
    tuple[str, str] | None,
    typer.Option(
        metavar="FROM TO",
        help="Make this period of the event time exactly what the files say: stored rows in it that no file has "
        "are deleted, and rows outside it are rejected. Two instants such as 2026-03-01T00:00:00Z; TO is excluded.",
    ),
]
DeleteColumnOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Column of the files that marks rows to delete, with true, D or delete; of such a row only the key is "
        "read.",
    ),
]
CheckOption = Annotated[
    bool, typer.Option("--check", help="Read everything, change nothing, and list all faults by column.")
]


def permitted_rejects(text: str) -> MaxRejects:
    """Return how many rows may be rejected. Raises BadParameter."""
    try:
        return parse_max_rejects(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}", param_hint="--max-rejects") from error


def replaced_period(bounds: tuple[str, str] | None, delete_column: str | None) -> Timespan | None:
    """Return the period that is replaced, which has no rows to mark for deletion. Raises BadParameter."""
    if bounds is None:
        return None
    if delete_column is not None:
        message = "a replaced period has no rows to mark; give one of the two options"
        raise typer.BadParameter(message, param_hint="--replace-window, --delete-column")
    try:
        start, end = (datetime.fromisoformat(text) for text in bounds)
        if start.tzinfo is not None and end.tzinfo is not None:
            return Timespan(start=start.astimezone(UTC), end=end.astimezone(UTC), zone="UTC")
    except (ValueError, OverflowError, ReversedTimespan):
        pass
    message = "needs two instants with an offset, such as 2026-03-01T00:00:00Z, the earlier one first"
    raise typer.BadParameter(message, param_hint="--replace-window")
