"""SQL of instants: formats, and local times of a zone.

The rule for clock changes is that of ``model/timespan.py`` unless a mapping says otherwise. A local time is compared
with the zone's offsets one day before and one day after it; only between two different offsets it may occur twice or
not at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from offtake.lake.ingest.mapping.definition import Ambiguous, Nonexistent, Notation
from offtake.lake.ingest.mapping.layers import Layers, Term
from offtake.lake.ingest.mapping.numbers import scaled
from offtake.lake.ingest.parsing import CLOCK, NO_OFFSET, NO_SUCH_TIME, OFFSET, ParseExpressions
from offtake.sql_text import quote_literal

ISO = "iso"
EPOCHS = {"epoch_s": 6, "epoch_ms": 3, "epoch_us": 0}  # decimals of a number that are whole microseconds
DIRECTIVES = "aAbBdmyYHIpMSfgzj%"
_DIRECTIVE = re.compile(r"%(-?.|$)", re.DOTALL)
_DAY = 86_400_000_000  # microseconds


def format_fault(time_format: str) -> str | None:
    """Return why a time format cannot be used, or None."""
    if time_format == ISO or time_format in EPOCHS:
        return None
    found = {name.removeprefix("-") for name in _DIRECTIVE.findall(time_format)}
    unknown = sorted(found - set(DIRECTIVES))
    if unknown:
        accepted = ", ".join(f"%{name}" for name in DIRECTIVES)
        return f"%{unknown[0]} is not a part of a time; accepted are {accepted}"
    if not found & {"y", "Y"} or not ((found & {"b", "B", "m"} and "d" in found) or "j" in found):
        words = ", ".join([ISO, *EPOCHS])
        return f"it must have a year (%Y), a month (%m) and a day (%d), or be one of {words}"
    if "I" in found and "p" not in found:
        return "%I, the hour from 1 to 12, needs %p (AM or PM)"
    return None


def has_offset(time_format: str) -> bool:
    """Return whether a format, other than ``iso``, tells the instant without a zone."""
    return time_format in EPOCHS or "z" in _DIRECTIVE.findall(time_format)


def parse_time(layers: Layers, text: Term, notation: Notation) -> ParseExpressions:
    """Return the expressions for a time in text form: the first format that fits."""
    formats = notation.time or (ISO,)
    instant = layers.let(f"coalesce({', '.join(_instants(text, formats))}, NULL::TIMESTAMPTZ)", text)
    naive = layers.let(f"coalesce({', '.join(_naives(text, formats))}, NULL::TIMESTAMP)", text)
    reason = _unread(text, naive, notation, formats)
    if notation.zone is None:
        found = f"CASE WHEN {instant} IS NULL THEN {reason} END"
        return ParseExpressions(source=text.sql, value=instant.sql, reason=found)
    local = local_time(layers, naive, notation)
    return ParseExpressions(
        source=text.sql,
        value=f"coalesce({instant}, {local.value})",
        reason=f"CASE WHEN {instant} IS NULL THEN CASE WHEN {naive} IS NULL THEN {reason} ELSE {local.reason} END END",
    )


def _unread(text: Term, naive: Term, notation: Notation, formats: Sequence[str]) -> str:
    words = " or ".join("ISO 8601" if each == ISO else each for each in formats)
    fallback = quote_literal(f"is not a time in the format {words}")
    if ISO not in formats:
        return fallback
    missing = "" if notation.zone else f"WHEN {naive} IS NOT NULL THEN {quote_literal(NO_OFFSET)} "
    shape = f"regexp_full_match({text}, {quote_literal(f'{CLOCK}{OFFSET}?')})"
    return f"CASE {missing}WHEN {shape} THEN {quote_literal(NO_SUCH_TIME)} ELSE {fallback} END"


def _instants(text: Term, formats: Sequence[str]) -> list[str]:
    """Return SQL of the instant by each format that tells one."""
    found = []
    for each in formats:
        if each == ISO:
            shape = quote_literal(CLOCK + OFFSET)
            found.append(f"CASE WHEN regexp_full_match({text}, {shape}) THEN try_cast({text} AS TIMESTAMPTZ) END")
        elif each in EPOCHS:
            found.append(_epoch(text, EPOCHS[each]))
        elif has_offset(each):
            found.append(_strptime(text, each))
    return found or ["NULL"]


def _naives(text: Term, formats: Sequence[str]) -> list[str]:
    """Return SQL of the local time by each format that tells one."""
    found = []
    for each in formats:
        if each == ISO:
            shape = quote_literal(CLOCK)
            found.append(f"CASE WHEN regexp_full_match({text}, {shape}) THEN try_cast({text} AS TIMESTAMP) END")
        elif not has_offset(each):
            found.append(_strptime(text, each))
    return found or ["NULL"]


def _strptime(text: Term, time_format: str) -> str:
    # The engine also takes the words epoch and infinity.
    return f"CASE WHEN regexp_matches({text}, '[0-9]') THEN try_strptime({text}, {quote_literal(time_format)}) END"


def _epoch(text: Term, decimals: int) -> str:
    microseconds = f"try_cast({scaled(text, decimals)} AS BIGINT)"
    return f"TRY(timezone('UTC', make_timestamp({microseconds})))"


def local_time(layers: Layers, naive: Term, notation: Notation) -> ParseExpressions:
    """Return the expressions for a local time (TIMESTAMP) in the zone of the notation."""
    zone = quote_literal(str(notation.zone))

    def offset(at: str) -> str:  # in microseconds, at a UTC time in microseconds
        return f"epoch_us(timezone({zone}, timezone('UTC', make_timestamp({at})))) - ({at})"

    local = layers.let(f"CASE WHEN isfinite({naive}) THEN epoch_us({naive}) END", naive)
    before, after = layers.let(offset(f"{local} - {_DAY}"), local), layers.let(offset(f"{local} + {_DAY}"), local)
    first = layers.let(f"{local} - {before}", local, before)
    second = layers.let(f"{local} - {after}", local, after)
    is_first = f"{before} = ({offset(first.sql)})"
    is_second = f"{after} = ({offset(second.sql)})"
    number = layers.let(
        f"CASE WHEN {before} = {after} THEN 1 WHEN {is_first} AND {is_second} THEN 2 "
        f"WHEN {is_first} THEN 1 WHEN {is_second} THEN -1 ELSE 0 END",
        first,
        second,
    )  # how often the local time occurs; -1: once, with the offset after
    twice = {Ambiguous.EARLIER: first.sql, Ambiguous.LATER: second.sql, Ambiguous.REJECT: "NULL"}[notation.ambiguous]
    never = first.sql if notation.nonexistent is Nonexistent.SHIFT else "NULL"
    chosen = f"CASE {number} WHEN 2 THEN {twice} WHEN 0 THEN {never} WHEN -1 THEN {second} ELSE {first} END"
    reasons = [f"WHEN {local} IS NULL THEN {quote_literal(NO_SUCH_TIME)}"]
    if notation.ambiguous is Ambiguous.REJECT:
        reasons.append(f"WHEN {number} = 2 THEN {quote_literal(f'occurs twice in {notation.zone} (clocks set back)')}")
    if notation.nonexistent is Nonexistent.REJECT:
        reason = f"does not occur in {notation.zone} (clocks set forward)"
        reasons.append(f"WHEN {number} = 0 THEN {quote_literal(reason)}")
    return ParseExpressions(
        source=naive.sql,
        value=f"timezone('UTC', make_timestamp({chosen}))",
        reason=f"CASE {' '.join(reasons)} END",
    )
