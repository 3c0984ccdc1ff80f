"""Parse the body of a request. The only reader of JSON from clients: its rules hold in every dialect."""

from __future__ import annotations

import codecs
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from offtake.errors import MalformedBody

MAX_DEPTH = 32  # of nested arrays and objects; the deepest request of a dialect has 5
_NOT_JSON = "The body is not JSON."


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that the body holds. Raises MalformedBody for any other body.

    An object may have each key once: readers differ in which of equal keys counts (RFC 8259 4). The message has the
    JSON pointer (RFC 6901) of such a key.

    A byte order mark before it is ignored (RFC 8259 8.1). A number that is too long for Python's parser counts as no
    JSON, and so do NaN and infinity. Arrays and objects may be nested in 32 levels. A text may contain neither a NUL
    character nor half of a surrogate pair, which JSON can escape and databases cannot store; the message has the
    pointer of such a text.
    """
    repeated: dict[int, tuple[dict[str, Any], str]] = {}  # by the identity of the object

    def make_object(members: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(members)
        if len(made) < len(members):
            (name, _), *_ = Counter(name for name, _ in members).most_common(1)
            repeated[id(made)] = made, name
        return made

    try:
        value = json.loads(without_bom(body), parse_constant=_refuse_constant, object_pairs_hook=make_object)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise MalformedBody(_NOT_JSON) from error
    if not isinstance(value, dict):
        raise MalformedBody("The body is not a JSON object.")
    for pointer, text in _texts(value, repeated):
        if "\0" in text:
            raise MalformedBody(f"The text at {pointer} has a NUL character.")
        if has_lone_surrogate(text):
            raise MalformedBody(f"The text at {pointer} has half of a surrogate pair.")
    return value


def without_bom(body: bytes) -> bytes:
    """Return the body without the byte order mark of UTF-8, which some clients write at its beginning."""
    return body.removeprefix(codecs.BOM_UTF8)


def has_lone_surrogate(text: str) -> bool:
    """Whether the text contains half of a surrogate pair, which JSON can escape and UTF-8 cannot encode."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def pointer_to(*keys: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of a value in a body: "" for the body itself."""
    return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in keys)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN, Infinity and -Infinity, which Python reads


def _too_deep() -> MalformedBody:
    return MalformedBody(f"The body is nested in more than {MAX_DEPTH} levels of arrays and objects.")


def _texts(value: dict[str, Any], repeated: Mapping[int, tuple[dict[str, Any], str]]) -> Iterator[tuple[str, str]]:
    """Yield all texts with their pointers; the name of a member comes with the pointer of its object.

    ``repeated`` are objects with a key that they repeat. Raises MalformedBody for such an object, whose keys come
    before, and for a value that is nested too deeply.
    """
    level: list[tuple[str, Any]] = [("", value)]
    for _ in range(MAX_DEPTH):
        nested: list[tuple[str, Any]] = []
        for pointer, each in level:
            if isinstance(each, dict):
                yield from ((pointer or "/", name) for name in each)
                if id(each) in repeated:
                    _, name = repeated[id(each)]
                    raise MalformedBody(f"The key {pointer}{pointer_to(name)} occurs more than once.")
                members: Any = each.items()
            else:
                members = enumerate(each)
            for key, member in members:
                if isinstance(member, str):
                    yield pointer + pointer_to(key), member
                elif isinstance(member, dict | list):
                    nested.append((pointer + pointer_to(key), member))
        level = nested
        if not level:
            return
    raise _too_deep()
