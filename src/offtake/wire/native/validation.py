"""Turns what pydantic finds in a request into the faults of a problem. Messages never quote the sent values."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from offtake.wire.native.faults import Fault
from offtake.wire.native.schema import FORMS

if TYPE_CHECKING:  # commands use this module too, without the web framework
    from fastapi.exceptions import RequestValidationError

_QUOTED = re.compile(r"'([^']*)'")
_TOO_LONG = "too_long"  # of lists
_LITERALS = frozenset({"literal_error", "enum"})
_Location = tuple[str | int, ...]


def faults_of(error: RequestValidationError, body_field: Any) -> list[Fault]:
    """Return the faults of a request; ``body_field`` is FastAPI's description of the body, or None."""
    model = None if body_field is None else body_field.field_info.annotation
    return _faults(error.errors(), error.body, model)


def faults_of_body(error: ValidationError, body: object, model: type[BaseModel]) -> list[Fault]:
    """Return the faults of a body that is none of the model."""
    details = [{**detail, "loc": ("body", *detail["loc"])} for detail in error.errors(include_url=False)]
    return _faults(details, body, model)


def _faults(details: Iterable[Mapping[str, Any]], body: object, model: Any) -> list[Fault]:
    found: dict[tuple[str, _Location], Fault] = {}
    for detail in details:
        origin, *location = detail["loc"]
        keys = tuple(existing_keys(location, body, detail["type"])) if origin == "body" else tuple(location)
        if (origin, keys) not in found or detail["type"] == _TOO_LONG:  # not that a list is none of the other types
            found[origin, keys] = _fault(detail, origin, keys, model)
    return list(found.values())


def existing_keys(location: Sequence[str | int], body: object, fault_type: str) -> Iterator[str | int]:
    """Yield the keys of a location that lead to a value of the body, or to one that is missing.

    pydantic also adds the alternatives of a union to the location; these are no keys.
    """
    for index, key in enumerate(location):
        if isinstance(body, Mapping):
            is_missing_field = fault_type == "missing" and index == len(location) - 1
            if key not in body and not is_missing_field:
                continue
            yield key
            body = body.get(key)
        elif isinstance(body, list) and isinstance(key, int) and key < len(body):
            yield key
            body = body[key]


def _fault(detail: Mapping[str, Any], origin: str, keys: _Location, model: Any) -> Fault:
    parameter = None if origin == "body" else str(keys[-1])
    accepted: tuple[str, ...] = ()
    message = _message(detail)
    sent = detail.get("input")
    if detail["type"] == "extra_forbidden" and origin == "body":
        accepted, sent = _fields(model, keys[:-1]), str(keys[-1])
        message = "There is no such field"
    elif detail["type"] in _LITERALS:
        accepted = tuple(_words(str(detail.get("ctx", {}).get("expected", ""))))
        message = "This is none of the accepted values"
    close = difflib.get_close_matches(sent, accepted, n=1, cutoff=0.5) if isinstance(sent, str) else []
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return Fault(
        keys=keys if origin == "body" else (),
        parameter=parameter,
        message=message + hint,
        accepted=accepted,
        nearest=close[0] if close else None,
    )


def _words(expected: str) -> Iterator[str]:
    """Yield the words that pydantic lists as Python literals."""
    for word in _QUOTED.findall(expected):
        yield word.encode("ascii", "backslashreplace").decode("unicode_escape")


def _message(detail: Mapping[str, Any]) -> str:
    """A sentence without its full stop: pydantic's or ours. Messages of our validators follow "Value error, "."""
    if detail["type"] == "missing":
        return "This field is required"
    form = FORMS.get(str(detail["ctx"]["pattern"])) if detail["type"] == "string_pattern_mismatch" else None
    return f"This must be {form}" if form else str(detail["msg"]).removeprefix("Value error, ").rstrip(".")


def _fields(model: Any, keys: Sequence[str | int]) -> tuple[str, ...]:
    """Return the names of the fields of the object to which the keys lead."""
    for key in keys:
        if isinstance(key, str) and isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(key)
            model = _model(field.annotation) if field else None
    found = _model(model)
    return tuple(found.model_fields) if found else ()


def _model(annotation: Any) -> type[BaseModel] | None:
    """Return the model in an annotation, such as in ``list[Model] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model(each))), None)
