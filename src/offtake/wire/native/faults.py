"""The faults of a request, which the problem of the answer lists and messages of commands name."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from offtake.errors import InvalidRequest
from offtake.http.json_body import pointer_to

_ALL_LISTED = 60  # more accepted values than this are not listed: the nearest one helps more


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a request: where it is, what is wrong, and what would be accepted.

    ``keys`` lead to the value in the body; ``parameter`` is the name of a path parameter, query parameter or header.
    """

    keys: tuple[str | int, ...] = ()
    parameter: str | None = None
    message: str
    accepted: tuple[str, ...] = ()
    nearest: str | None = None


class InvalidFields(InvalidRequest):
    """A request with faults in its body or its parameters."""

    code = "invalid_request"

    def __init__(self, faults: Sequence[Fault]) -> None:
        rest = len(faults) - 1
        more = f" There {'is' if rest == 1 else 'are'} {rest} more." if rest else ""
        super().__init__(f"{_where(faults[0])}{faults[0].message}{more}")
        self.faults = tuple(faults)


def fault(message: str, *keys: str | int) -> Fault:
    """Return a fault of the value to which the keys lead in the body."""
    return Fault(keys=keys, message=message)


def unknown(noun: str, sent: str, known: Collection[str], *keys: str | int) -> Fault:
    """Return the fault of a name that is none of the known ones."""
    close = difflib.get_close_matches(sent, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else "see the accepted values."
    listed = tuple(known) if len(known) <= _ALL_LISTED else ()
    return Fault(
        keys=keys, message=f"There is no such {noun}; {hint}", accepted=listed, nearest=close[0] if close else None
    )


def sentence(text: str) -> str:
    """Return a description of the core as a sentence."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _where(each: Fault) -> str:
    where = each.parameter or pointer_to(*each.keys)
    return f"{where}: " if where else ""
