"""The options of ``offtake load`` that say how far a source is complete."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from offtake.lake.tables import Table
from offtake.model.load import Completeness

CompleteUntilOption = Annotated[
    str | None,
    typer.Option(
        metavar="INSTANT",
        help="Declare that all rows with an earlier event time have been delivered, such as 2026-03-01T00:00:00Z. "
        "Exports leave out later rows. An instant that is earlier than the declared one changes nothing.",
    ),
]
CompleteUntilNewestOption = Annotated[
    bool, typer.Option("--complete-until-newest", help="Declare the same until the newest event time of the rows.")
]
LowerCompletenessOption = Annotated[
    bool, typer.Option("--lower-completeness", help="Let this load declare an earlier instant than the declared one.")
]


def declared(table: Table, until: str | None, *, newest: bool, lowers: bool) -> Completeness | None:
    """Return what the options declare about the table. Raises BadParameter."""
    if until is None and not newest:
        if lowers:
            raise typer.BadParameter(
                "needs --complete-until or --complete-until-newest", param_hint="--lower-completeness"
            )
        return None
    if until is not None and newest:
        raise typer.BadParameter("give one of the two options", param_hint="--complete-until, --complete-until-newest")
    if table.event_time is None:
        message = f"the rows of {table.name} have no event time, so they are not complete until an instant"
        raise typer.BadParameter(message, param_hint="--complete-until")
    return Completeness(until=None if until is None else _instant(until), lowers=lowers)


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    message = f"{text!r} is no instant with an offset; write 2026-03-01T00:00:00Z"
    raise typer.BadParameter(message, param_hint="--complete-until")
