"""The parts of a body that pydantic accepts, for the checks that follow it: one answer then has the faults of both.

A part is a field, an entry of a list, or a member of an object. Parts that can only be judged together with a faulty
one are left out with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from offtake.wire.native.faults import Fault
from offtake.wire.native.validation import existing_keys

_Keys = tuple[str | int, ...]
# Values of required fields that are missing or faulty. There is no such report, and this timespan has no fault.
_IN_PLACE_OF: Mapping[str, Any] = {"report": "-", "timespan": {"last": "1d"}}
# What cannot be judged without a part.
_TOGETHER: Mapping[_Keys, tuple[_Keys, ...]] = {
    ("format",): (("compression",), ("csv",)),
    ("timespan", "last"): (("timespan",),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundParts:
    """A body without its faulty parts. ``replaced`` are fields with values in place of faulty ones."""

    body: BaseModel
    replaced: frozenset[str]
    positions: Mapping[str, Sequence[int]]  # by list: where its entries were in the body as sent

    def further(self, faults: Sequence[Fault], known: Sequence[Fault]) -> Iterator[Fault]:
        """Yield the faults of the sound parts that no known fault explains, with their keys in the body as sent."""
        reported = [each.keys for each in known if each.parameter is None]
        for each in faults:
            keys = self._as_sent(each.keys)
            if keys[:1] and keys[0] in self.replaced:
                continue
            if not any(keys == other[: len(keys)] or other == keys[: len(other)] for other in reported):
                yield replace(each, keys=keys)

    def _as_sent(self, keys: _Keys) -> _Keys:
        match keys:
            case (str(name), int(index), *rest) if name in self.positions:
                return (name, self.positions[name][index], *rest)
        return keys


def sound_parts(model: type[BaseModel], sent: Mapping[str, Any]) -> SoundParts | None:
    """Return the parts of a body that the model accepts; None if they cannot be told from the others."""
    body = dict(sent)
    positions = {name: list(range(len(value))) for name, value in sent.items() if isinstance(value, list)}
    replaced: set[str] = set()
    for _ in range(len(model.model_fields)):  # without a part, another one may be faulty
        missing = [name for name in _IN_PLACE_OF if name in model.model_fields and name not in body]
        replaced.update(missing)
        body.update({name: _IN_PLACE_OF[name] for name in missing})
        try:
            return SoundParts(body=model.model_validate(body), replaced=frozenset(replaced), positions=positions)
        except ValidationError as error:
            faulty = {tuple(existing_keys(each["loc"], body, each["type"])) for each in error.errors()}
        for keys in sorted({_part(each, body) for each in faulty}, key=_sequence, reverse=True):
            for part in (keys, *_TOGETHER.get(keys, ())):
                _remove(part, body, positions)
    return None


def _part(keys: _Keys, body: Mapping[str, Any]) -> _Keys:
    """Return the keys of the part that has a fault."""
    match keys:
        case (str(name), key, *_) if isinstance(body.get(name), list) or key in body.get(name, ()):
            return (name, key)
    return keys[:1]


def _sequence(keys: _Keys) -> tuple[str, int]:
    """Return by what parts are sorted: the entries of a list by their place."""
    index = keys[1] if len(keys) > 1 else -1
    return str(keys[:1]), index if isinstance(index, int) else -1


def _remove(keys: _Keys, body: dict[str, Any], positions: dict[str, list[int]]) -> None:
    match keys:
        case (str(name), int(index)):
            body[name] = [*body[name][:index], *body[name][index + 1 :]]
            del positions[name][index]
        case (str(name), key) if isinstance(body.get(name), dict):
            body[name] = {other: value for other, value in body[name].items() if other != key}
        case (str(name),):
            body.pop(name, None)
