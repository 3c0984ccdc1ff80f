"""Patterns of date and time: written as CLDR and Java write them (Khoros contract 5.2), rendered by the engine's
``strftime``.

A pattern is made of digits-only fields, so that it can run inside the query at its full speed; ``a`` is AM or PM in
every language. Names of months and days, eras and zones are refused.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+")
_FIELDS = {
    "y": "%Y",
    "yyyy": "%Y",
    "yy": "%y",
    "M": "%-m",
    "MM": "%m",
    "d": "%-d",
    "dd": "%d",
    "H": "%-H",
    "HH": "%H",
    "h": "%-I",
    "hh": "%I",
    "m": "%-M",
    "mm": "%M",
    "s": "%-S",
    "ss": "%S",
    "SSS": "%g",
    "a": "%p",
}


def strftime_pattern(pattern: str) -> str:
    """The pattern in the engine's words. ValueError with the part that it cannot show."""
    shown, position = [], 0
    while position < len(pattern):
        found = _TOKEN.match(pattern, position)
        if found is None:
            raise ValueError("a quote is not closed")
        shown.append(_field(found))
        position = found.end()
    return "".join(shown)


def _field(found: re.Match[str]) -> str:
    text = found.group()
    if found.group(2) is None:
        literal = (found.group(1) or "").replace("''", "'") or "'" if text.startswith("'") else text
        return literal.replace("%", "%%")
    if text not in _FIELDS:
        raise ValueError(f"{text} cannot be shown; possible are: {', '.join(_FIELDS)}")
    return _FIELDS[text]
