"""Translates date and time patterns of CLDR and Java (Khoros contract 5.2) to those of the engine's ``strftime``.

Only numeric fields are supported, so that the engine renders them inside the query; ``a`` is AM or PM in every
language. Names of months and days, eras and zones are refused.
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
    """The pattern for ``strftime``. Raises ValueError with the unsupported field."""
    translated, position = [], 0
    while position < len(pattern):
        found = _TOKEN.match(pattern, position)
        if found is None:
            raise ValueError("a quote is not closed")
        translated.append(_field(found))
        position = found.end()
    return "".join(translated)


def _field(found: re.Match[str]) -> str:
    text = found.group()
    if found.group(2) is None:
        literal = (found.group(1) or "").replace("''", "'") or "'" if text.startswith("'") else text
        return literal.replace("%", "%%")
    if text not in _FIELDS:
        raise ValueError(f"{text} is not supported; use one of {', '.join(_FIELDS)}")
    return _FIELDS[text]
