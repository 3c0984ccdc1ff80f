"""SQL of numbers with a decimal comma or thousands marks, and of elapsed time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from offtake.lake.ingest.mapping.definition import Duration, Notation, Rounding
from offtake.lake.ingest.mapping.layers import Layers, Term
from offtake.lake.ingest.parsing import TOO_LARGE, ParseExpressions, parse_text
from offtake.model.column_type import ColumnType
from offtake.sql_text import quote_literal

_THOUSANDS = {" ": "[ \u00a0\u202f]", "'": "['\u2019]"}  # the marks that look alike
_UNITS = {ColumnType.SECONDS: 1_000_000, ColumnType.MILLISECONDS: 1_000}  # microseconds
_FRACTION = r"(?:\.([0-9]{1,6})0*)?"
# Patterns with five groups: days, hours, minutes, seconds and decimals of a second.
_CLOCKS: Mapping[Duration, str] = MappingProxyType(
    {
        Duration.CLOCK: rf"()([0-9]+):([0-5][0-9]):([0-5][0-9]){_FRACTION}",
        Duration.SHORT_CLOCK: rf"()()([0-9]+):([0-5][0-9]){_FRACTION}",
        Duration.ISO: rf"P(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+){_FRACTION}S)?)?",
        Duration.WORDS: (
            r"(?i)(?:([0-9]+) ?d(?:ays?)?,? ?)?(?:([0-9]+) ?h(?:ours?|rs?)?,? ?)?"
            rf"(?:([0-9]+) ?m(?:in(?:utes?|s)?)?,? ?)?(?:([0-9]+){_FRACTION} ?s(?:ec(?:onds?|s)?)?)? ?"
        ),
    }
)
_AMOUNTS = {
    Duration.SECONDS: 1_000_000,
    Duration.MILLISECONDS: 1_000,
    Duration.MINUTES: 60_000_000,
    Duration.HOURS: 3_600_000_000,
}


def plain_number(layers: Layers, text: Term, notation: Notation) -> tuple[Term, str]:
    """Return a number in the table's notation, null if it is written otherwise, and SQL of the reason for that."""
    if notation.decimal == "." and not notation.thousands:
        return text, "NULL"
    decimal = re.escape(notation.decimal)
    whole = "[0-9]+"
    plain = text.sql
    written = f"{notation.decimal!r} before decimals"
    if notation.thousands:
        mark = _THOUSANDS.get(notation.thousands, re.escape(notation.thousands))
        whole = f"(?:[0-9]+|[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+)"
        plain = f"regexp_replace({plain}, {quote_literal(mark)}, '', 'g')"
        written += f" and {notation.thousands!r} between thousands"
    plain = f"replace({plain}, {quote_literal(notation.decimal)}, '.')"
    pattern = f"-?(?:{whole}(?:{decimal}[0-9]*)?|{decimal}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    number = layers.let(f"CASE WHEN regexp_full_match({text}, {quote_literal(pattern)}) THEN {plain} END", text)
    reason = f"CASE WHEN {number} IS NULL THEN {quote_literal(f'is not a number with {written}')} END"
    return number, reason


def parse_number(layers: Layers, text: Term, column_type: ColumnType, notation: Notation) -> ParseExpressions:
    """Return the expressions for a number."""
    number, reason = plain_number(layers, text, notation)
    parsed = parse_text(column_type, number.sql)
    return ParseExpressions(source=text.sql, value=parsed.value, reason=f"coalesce({reason}, {parsed.reason})")


def parse_duration(layers: Layers, text: Term, column_type: ColumnType, notation: Notation) -> ParseExpressions:
    """Return the expressions for elapsed time: the first notation that fits, in the unit of the column."""
    number, _ = plain_number(layers, text, notation)
    found = [
        Term(_amount(number, _AMOUNTS[each]), number.depth) if each in _AMOUNTS else _clock(layers, text, _CLOCKS[each])
        for each in notation.duration
    ]
    elapsed = layers.let(f"coalesce({', '.join(map(str, found))}, NULL::HUGEINT)", *found)
    unit = _UNITS[column_type]
    whole = f"({elapsed} + {unit // 2 if notation.round is Rounding.NEAREST else 0}) // {unit}"
    words = " or ".join(notation.duration)
    reasons = f"WHEN {elapsed} IS NULL THEN {quote_literal(f'is not elapsed time written as {words}')}"
    if notation.round is Rounding.REJECT:
        reason = f"is not a whole number of {column_type}; set round in the mapping to shorten it"
        reasons += f" WHEN {elapsed} % {unit} <> 0 THEN {quote_literal(reason)}"
    reasons += f" WHEN try_cast({whole} AS BIGINT) IS NULL THEN {quote_literal(TOO_LARGE)}"
    return ParseExpressions(source=text.sql, value=f"try_cast({whole} AS BIGINT)", reason=f"CASE {reasons} END")


def scaled(text: Term, decimals: int) -> str:
    """Return SQL of a decimal number times ``10 ** decimals``, null if it has more decimals."""
    shape = rf"^(-?[0-9]{{1,18}})(?:\.([0-9]{{0,{decimals}}})0*)?$"
    parts = f"regexp_extract({text}, {quote_literal(shape)}, ['w', 'f'])"
    # Groups are empty where the text has another shape.
    return f"try_cast(nullif(({parts}).w, '') || rpad(({parts}).f, {decimals}, '0') AS HUGEINT)"


def _amount(number: Term, unit: int) -> str:
    """Return SQL of the microseconds of a number of units, null if it is negative or has too many decimals."""
    decimals = 3 if unit == _AMOUNTS[Duration.MILLISECONDS] else 6
    found = scaled(number, decimals)
    return f"CASE WHEN {number} NOT LIKE '-%' THEN {found} * {unit // 10**decimals} END"


def _clock(layers: Layers, text: Term, pattern: str) -> Term:
    """Return the microseconds of a text that fits the pattern."""
    groups = "['d', 'h', 'm', 's', 'f']"
    fits = f"regexp_full_match({text}, {quote_literal(pattern)}) AND regexp_matches({text}, '[0-9]')"
    if pattern.startswith("P"):
        fits += f" AND {text} NOT LIKE '%T'"
    anchored = quote_literal(f"^(?:{pattern})$")
    found = layers.let(f"CASE WHEN {fits} THEN regexp_extract({text}, {anchored}, {groups}) END", text)
    parts = [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)]
    sums = [f"coalesce(try_cast(nullif({found}.{name}, '') AS HUGEINT), 0) * {unit}" for name, unit in parts]
    sums.append(f"CAST(rpad({found}.f, 6, '0') AS HUGEINT)")
    return Term(f"CASE WHEN {found} IS NOT NULL THEN TRY({' + '.join(sums)}) END", found.depth)
