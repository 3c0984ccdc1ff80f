"""Decodes JSON objects to frozen dataclasses by their type hints.

Unknown members are ignored, so that a newer server can add some. A missing member takes the field's default; without a
default, or with a value of another kind, the object is refused.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def decode(kind: type[T], value: object) -> T:
    """Return the value as an instance of the dataclass. Raises ValueError, which names the member."""
    return cast("T", _decode(kind, value, kind.__name__))


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _decode(kind: Any, value: Any, where: str) -> Any:
    origin = get_origin(kind)
    if kind is Any or kind is object:
        return value
    if origin in (Union, types.UnionType):
        return _decode_union(get_args(kind), value, where)
    if origin is Literal:
        if value not in get_args(kind):
            raise ValueError(f"{where} is none of {', '.join(map(str, get_args(kind)))}")
        return value
    if origin is tuple:
        return tuple(_decode(get_args(kind)[0], item, f"{where}[]") for item in _expect(list, value, where))
    if origin in (dict, Mapping):
        member = get_args(kind)[1]
        return {name: _decode(member, item, f"{where}.{name}") for name, item in _expect(dict, value, where).items()}
    if dataclasses.is_dataclass(kind):
        return _decode_object(kind, _expect(dict, value, where), where)
    if kind is datetime:
        return parse_instant(_expect(str, value, where))
    if kind is float:
        return float(_expect((int, float), value, where))
    return _expect(kind, value, where)


def _decode_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    return _decode(next(kind for kind in kinds if kind is not type(None)), value, where)


def _decode_object(kind: Any, value: Mapping[str, Any], where: str) -> Any:
    hints = _hints(kind)
    members = {
        field.name: _decode(hints[field.name], value[field.name], f"{where}.{field.name}")
        for field in dataclasses.fields(kind)
        if field.name in value
    }
    try:
        return kind(**members)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error


def _expect(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{where} is {type(value).__name__}, not {getattr(kind, '__name__', 'a number')}")  # noqa: TRY004
    return value


def parse_instant(text: str) -> datetime:
    """Return an instant of RFC 3339. Raises ValueError."""
    moment = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
