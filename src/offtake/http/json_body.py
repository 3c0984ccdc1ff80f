"""Parse the body of a request. The only reader of JSON from clients: its rules hold in every dialect."""

from __future__ import annotations

import codecs
import json
from typing import Any

from offtake.errors import InvalidRequest

_MAX_DEPTH = 64  # of nested arrays and objects; the deepest request of a dialect has 5


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that the body holds. Raises InvalidRequest for any other body.

    A byte order mark before it is ignored (RFC 8259 8.1). A number that is too long for Python's parser counts as no
    JSON, and so do NaN, infinity and an object nested too deeply. Texts may contain what no database stores
    (``has_lone_surrogate``); the dialect refuses them.
    """
    try:
        value = json.loads(without_bom(body), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not JSON.") from error
    if not isinstance(value, dict):
        raise InvalidRequest("The body is not a JSON object.")
    if _is_deeper(value, _MAX_DEPTH):
        raise InvalidRequest("The body is not JSON.")
    return value


def without_bom(body: bytes) -> bytes:
    """Return the body without the byte order mark of UTF-8, which some clients write at its beginning."""
    return body.removeprefix(codecs.BOM_UTF8)


def has_lone_surrogate(text: str) -> bool:
    """Whether the text contains half of a surrogate pair, which JSON can escape and UTF-8 cannot encode."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN, Infinity and -Infinity, which Python reads


def _is_deeper(value: object, depth: int) -> bool:
    """Whether arrays and objects are nested in more than ``depth`` levels."""
    level = [value]
    for _ in range(depth):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return any(isinstance(item, dict | list) for item in level)
