"""Reads the keys of a mapping that tell how the values of a source are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from enum import StrEnum
from typing import Any

from offtake.errors import InvalidZone
from offtake.lake.ingest.mapping.definition import (
    NOTATION_KEYS,
    TABLE_NOTATION,
    Ambiguous,
    Duration,
    Nonexistent,
    Notation,
    Rounding,
)
from offtake.lake.ingest.mapping.phones import countries
from offtake.lake.ingest.mapping.times import ISO, format_fault, has_offset
from offtake.model.column_type import ColumnType
from offtake.model.timespan import zone, zone_names
from offtake.toml_reader import TomlTable, nearest

_OF_ONE_COLUMN = {"phone", "split", "join"}
_MARKS = {"decimal": (".", ","), "thousands": ("", ",", ".", " ", "'", "_")}
_WORDS: dict[str, type[StrEnum]] = {"ambiguous": Ambiguous, "nonexistent": Nonexistent, "round": Rounding}


def settable(column_type: ColumnType | None) -> Sequence[str]:
    """Return the keys of a notation that a column of a type may have; None: those of all columns together."""
    if column_type is not None:
        return NOTATION_KEYS[column_type]
    return [field.name for field in fields(Notation) if field.name not in _OF_ONE_COLUMN]


def read_notation(table: TomlTable, column_type: ColumnType | None, default: Notation = TABLE_NOTATION) -> Notation:
    """Return the notation of a table of the file; ``default`` has the keys that the table does not set."""
    found: dict[str, Any] = {key: getattr(default, key) for key in settable(column_type)}
    for key in settable(column_type):
        if key in table.data:
            found[key] = _value(table, key)
    notation = Notation(**found)
    _check_together(table, notation)
    return notation


def _value(table: TomlTable, key: str) -> object:
    if key == "trim":
        return table.flag(key, default=False)
    if key in _WORDS:
        return table.word(key, _WORDS[key])
    if key in {"true", "false"}:
        return table.texts(key, required=True)
    if key == "null":
        return _any_texts(table, key)
    if key == "time":
        return _times(table)
    if key == "duration":
        return _durations(table)
    if key in _MARKS:
        return _mark(table, key)
    if key == "zone":
        return _zone(table)
    if key == "phone":
        return _country(table)
    return _separator(table, key)


def _one_or_more(table: TomlTable, key: str) -> tuple[str, ...]:
    return (table.text(key),) if isinstance(table.data[key], str) else table.texts(key, required=True)


def _any_texts(table: TomlTable, key: str) -> tuple[str, ...]:
    value = table.data[key]
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    table.fault(f"{key!r} must be a list of texts", key)
    return ()


def _times(table: TomlTable) -> tuple[str, ...]:
    formats = _one_or_more(table, "time")
    for each in formats:
        if each and (fault := format_fault(each)):
            table.fault(f"'time' is {each!r}: {fault}", "time")
    return formats


def _durations(table: TomlTable) -> tuple[Duration, ...]:
    found = []
    for each in _one_or_more(table, "duration"):
        if each in list(Duration):
            found.append(Duration(each))
        elif each:
            table.fault(f"'duration' is {each!r}; {nearest(each, [word.value for word in Duration])}", "duration")
    return tuple(found)


def _mark(table: TomlTable, key: str) -> str:
    value = table.data[key]
    if value not in _MARKS[key]:
        accepted = ", ".join(repr(mark) for mark in _MARKS[key])
        table.fault(f"{key!r} is {value!r}; accepted are {accepted}", key)
        return str(getattr(TABLE_NOTATION, key))
    return str(value)


def _zone(table: TomlTable) -> str | None:
    name = table.optional_text("zone")
    if not name:
        return None
    try:
        zone(name)
    except InvalidZone:
        hint = nearest(name, sorted(zone_names()))
        hint = hint if hint.startswith("did") else "write an IANA zone name such as Europe/Prague"
        table.fault(f"'zone' is {name!r}, which is no IANA time zone; {hint}", "zone")
        return None
    return name


def _country(table: TomlTable) -> str | None:
    name = table.optional_text("phone")
    if name and name not in countries():
        table.fault(f"'phone' is {name!r}; write a country of ISO 3166 in two capital letters, such as CZ", "phone")
        return None
    return name or None


def _separator(table: TomlTable, key: str) -> str | None:
    value = table.data[key]
    if isinstance(value, str) and (value or key == "join"):
        return value
    table.fault(f'{key!r} must be the text between the items of a list, such as ";"', key)
    return None


def _check_together(table: TomlTable, notation: Notation) -> None:
    if bool(notation.true) != bool(notation.false):
        table.fault("write both 'true' and 'false', the words for each", "true" if notation.true else "false")
    if {word.lower() for word in notation.true} & {word.lower() for word in notation.false}:
        table.fault("a word must not mean both true and false", "true")
    is_set = {"thousands", "decimal"} & table.data.keys()
    if is_set and notation.thousands and notation.thousands == notation.decimal:
        table.fault("'thousands' and 'decimal' must differ", *sorted(is_set)[:1])
    local = [each for each in notation.time if each != ISO and each and not has_offset(each)]
    if local and notation.zone is None and "time" in table.data:
        table.fault(f"'time' is {local[0]!r}, a local time; add its zone, such as zone = \"Europe/Prague\"", "time")
