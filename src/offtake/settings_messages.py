"""Wording of faults in settings: which option, which value, and what is accepted."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

_LONGEST_VALUE = 80  # characters of a value in a message


def explain(detail: ErrorDetails, option: FieldInfo | None) -> str:
    """Return what is wrong with a value. ``option`` is the field that it is for, if there is one.

    The values of secrets are never quoted, nor are those of options with ``repr=False`` and texts with ``@``, which may
    be URLs with a password.
    """
    if option is None and detail["type"] in ("model_type", "dict_type"):
        return "must be a table"
    if option is None:
        return detail["msg"].removeprefix("Value error, ")
    is_hidden = not option.repr or _is_secret(option) or "@" in str(detail["input"])
    value = "the value" if is_hidden else _quoted(detail["input"])
    if detail["type"] == "value_error":
        message = detail["msg"].removeprefix("Value error, ")
        return message if is_hidden or detail["input"] is None else f"{message} (value: {value})"
    if detail["type"] == "string_pattern_mismatch":
        return f"{value} does not have the form of this option: {option.description}"
    return f"{value} is not {accepted(option)}"


def accepted(option: FieldInfo) -> str:
    """Return the values that an option accepts, such as "a whole number from 1 to 256"."""
    annotation = _without_none(option.annotation)
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(json.dumps(value) for value in get_args(annotation))
    if annotation is bool:
        return "true or false"
    if annotation in (int, float):
        return f"a {'whole number' if annotation is int else 'number'}{_bounds(option)}"
    if get_origin(annotation) is tuple:
        return "a list of texts"
    shortest = _rule(option, "min_length")
    return f"a text of at least {shortest} characters" if shortest else "a text"


def closest(name: str, known: Collection[str]) -> str | None:
    """Return the dotted option that was probably meant.

    It has the same words joined otherwise, the same name in another table, or a similar name in the same table.
    """
    joined = {each.replace(".", "_"): each for each in known}
    if name.replace(".", "_") in joined:
        return joined[name.replace(".", "_")]
    table, _, last = name.rpartition(".")
    same_name = sorted(each for each in known if each.rpartition(".")[2] == last)
    similar_table = difflib.get_close_matches(name, same_name, n=1, cutoff=0)
    in_table = {each.rpartition(".")[2]: each for each in known if each.rpartition(".")[0] == table}
    similar_name = [in_table[each] for each in difflib.get_close_matches(last, sorted(in_table), n=1)]
    return next(iter((*similar_table, *similar_name)), None)


def escaped(text: str) -> str:
    """Return a text with control characters as in ``\\n``, and all others, backslashes too, as they are."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _quoted(value: object) -> str:
    """Return a value as text without control characters, which a terminal would obey."""
    text = f"'{escaped(value)}'" if isinstance(value, str) else "none (no limit)" if value is None else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _is_secret(option: FieldInfo) -> bool:
    return _without_none(option.annotation) is SecretStr


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) is Annotated:
        return _without_none(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _without_none(next(each for each in get_args(annotation) if each is not type(None)))
    return annotation


def _bounds(option: FieldInfo) -> str:
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    found = [f"{words[name]} {_rule(option, name)}" for name in words if _rule(option, name) is not None]
    return f", {' and '.join(found)}" if len(found) > 1 else f" of {found[0]}" if found else ""


def _rule(option: FieldInfo, name: str) -> Any:
    """Return the argument of a rule of the option (``ge``, ``min_length``), or None if it has no such rule."""
    return next((getattr(rule, name) for rule in option.metadata if hasattr(rule, name)), None)
