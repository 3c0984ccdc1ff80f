"""What the values of a column look like: the notations in which all of a sample can be read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from offtake.lake.ingest.mapping.definition import Duration
from offtake.model.column_type import ColumnType

TIME_FORMATS = (
    *("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S"),
    *("%m/%d/%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M"),
    *("%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d %I:%M %p", "%d %b %Y %H:%M:%S"),
    *("%d %b %Y %H:%M", "%b %d, %Y %H:%M:%S", "%b %d, %Y %I:%M %p", "%a, %d %b %Y %H:%M:%S %z", "%Y%m%d%H%M%S"),
    *("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%Y%m%d"),
)
BOOLEAN_WORDS = (
    *(("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"), ("1", "0"), ("on", "off"), ("ja", "nein")),
    *(("ano", "ne"), ("oui", "non"), ("sí", "no"), ("si", "no"), ("sim", "não"), ("tak", "nie"), ("x", "")),
)
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(?P<offset>Z|[+-]\d\d(:?\d\d)?)?")
_DURATIONS = {
    Duration.CLOCK: re.compile(r"\d+:[0-5]\d:[0-5]\d(\.\d+)?"),
    Duration.SHORT_CLOCK: re.compile(r"\d+:[0-5]\d(\.\d+)?"),
    Duration.ISO: re.compile(r"P(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?"),
    Duration.WORDS: re.compile(r"(?i)(\d+ ?d\w*,? ?)?(\d+ ?h\w*,? ?)?(\d+ ?m\w*,? ?)?(\d+(\.\d+)? ?s\w*)?"),
}
_WHOLE, _NUMBER = re.compile(r"-?\d+"), re.compile(r"-?\d+(\.\d+)?")
_COMMA_NUMBER = re.compile(r"-?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?")
_POINT_NUMBER = re.compile(r"-?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?")
NULL_WORDS = frozenset({"-", "--", "n/a", "na", "null", "none", "nil", "(null)", "(none)", "nan", "unknown", "\\n"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnContent:
    """The values of a column without blanks around them and words for no value."""

    values: tuple[str, ...]
    null_words: tuple[str, ...]  # as the file has them
    has_blanks: bool
    is_list: bool

    @property
    def distinct(self) -> tuple[str, ...]:
        """Different values, in the order in which they occur."""
        return tuple(dict.fromkeys(self.values))


def content_of(texts: Sequence[str | None], *, is_list: bool) -> ColumnContent:
    """Return what the texts of a column are."""
    given = [text for text in texts if text is not None and text.strip()]
    words = {text.strip() for text in given if text.strip().lower() in NULL_WORDS}
    values = tuple(text.strip() for text in given if text.strip() not in words)
    has_blanks = any(text != text.strip() for text in given)
    return ColumnContent(values=values, null_words=tuple(sorted(words)), has_blanks=has_blanks, is_list=is_list)


def notation_of(content: ColumnContent, column_type: ColumnType) -> dict[str, object] | None:
    """Return the keys of a notation in which all values are of a type; None if there is none."""
    if column_type is ColumnType.LIST:
        return _list(content)
    if content.is_list:
        return {"join": ", "} if column_type is ColumnType.TEXT else None
    readers = {
        ColumnType.INSTANT: _time,
        ColumnType.SECONDS: _duration,
        ColumnType.MILLISECONDS: _duration,
        ColumnType.BOOLEAN: _boolean,
        ColumnType.INTEGER: _whole,
        ColumnType.DECIMAL: _decimal,
    }
    reader = readers.get(column_type)
    return {} if reader is None or not content.values else reader(content)


def telling_notation(content: ColumnContent) -> dict[str, object]:
    """Return the notation that the values show whatever column they belong to; empty for texts and plain numbers."""
    if content.is_list or not content.values:
        return {}
    for column_type in (ColumnType.INSTANT, ColumnType.DECIMAL, ColumnType.SECONDS, ColumnType.BOOLEAN):
        found = notation_of(content, column_type)
        if found is not None:
            return found
    return {}


def ambiguous_days(content: ColumnContent, time_format: object) -> bool:
    """Return whether the values could be read with day and month exchanged."""
    swapped = str(time_format).replace("%d/%m", "%m/%d") if "%d/%m" in str(time_format) else None
    return swapped is not None and _all_times(content, swapped)


def _list(content: ColumnContent) -> dict[str, object]:
    if content.is_list or not content.values:
        return {}
    found = [mark for mark in ("|", ";", ",") if any(mark in value for value in content.values)]
    return {"split": found[0] if found else ";"}


def _time(content: ColumnContent) -> dict[str, object] | None:
    shapes = [_ISO.fullmatch(value) for value in content.values]
    if all(shapes):
        return {} if all(shape and shape["offset"] for shape in shapes) else {"time": "iso"}
    if all(_WHOLE.fullmatch(value) for value in content.values):
        for word, scale in (("epoch_s", 1), ("epoch_ms", 1_000), ("epoch_us", 1_000_000)):
            if all(2 * 10**8 * scale <= int(value) < 4 * 10**9 * scale for value in content.values):
                return {"time": word}
    found = next((each for each in TIME_FORMATS if _all_times(content, each)), None)
    return None if found is None else {"time": found}


def _all_times(content: ColumnContent, time_format: str) -> bool:
    try:
        for value in content.distinct:
            datetime.strptime(value, time_format)  # noqa: DTZ007 - only the shape
    except ValueError:
        return False
    return True


def _duration(content: ColumnContent) -> dict[str, object] | None:
    if all(_WHOLE.fullmatch(value) for value in content.values):
        return {}
    if all(_NUMBER.fullmatch(value) for value in content.values):
        return {"duration": "seconds", "round": "nearest"}
    for duration, shape in _DURATIONS.items():
        if all(shape.fullmatch(value) for value in content.values):
            return {"duration": duration.value}
    return None


def _boolean(content: ColumnContent) -> dict[str, object] | None:
    found = {value.lower() for value in content.values}
    for true, false in BOOLEAN_WORDS:
        if false and found <= {true, false}:
            return {} if true == "true" else {"true": [true], "false": [false]}
    return None


def _whole(content: ColumnContent) -> dict[str, object] | None:
    if all(_WHOLE.fullmatch(value) for value in content.values):
        return {}
    found = _decimal(content)
    has_decimals = found and any(value.count(str(found.get("decimal", "."))) for value in content.values)
    return None if not found or has_decimals else found


def _decimal(content: ColumnContent) -> dict[str, object] | None:
    if all(_NUMBER.fullmatch(value) for value in content.values):
        return {}
    if all(_COMMA_NUMBER.fullmatch(value) for value in content.values):
        return {"decimal": ",", "thousands": "."}
    if all(_POINT_NUMBER.fullmatch(value) for value in content.values):
        return {"thousands": ","}
    return None
