"""Wording of invalid values of options and arguments: the value, and what is accepted.

Typer (0.29) checks values with pydantic and prints its messages, which name neither the value nor, in plain words, what
is accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails

_PREFIX = "Value error, "  # pydantic's, before the text of a ValueError


@contextmanager
def plain_messages() -> Iterator[None]:
    """Replace pydantic's message in a BadParameter that the block raises."""
    try:
        yield
    except typer.BadParameter as error:
        if isinstance(error.__cause__, ValidationError):
            error.message = _worded(error.__cause__.errors(include_url=False)[0])
        raise


def _worded(detail: ErrorDetails) -> str:
    message, value, bounds = detail["msg"], repr(detail["input"]), detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return message.removeprefix(_PREFIX)
        case "int_parsing" | "int_from_float":
            return f"{value} is not a whole number."
        case "greater_than_equal":
            return f"{value} is less than {bounds['ge']}."
        case "less_than_equal":
            return f"{value} is more than {bounds['le']}."
        case _:
            return f"{value}: {message}."
