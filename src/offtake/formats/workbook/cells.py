"""From a row of values to the XML of a sheet's row, as SQL: the engine does it, at the query's speed.

The type of a column decides what its cells are; nothing else has a say. ECMA-376 part 1: cells 18.3.1.4, inline strings
18.3.1.53, the escape ``_xHHHH_`` 22.9.2.19, dates 18.17.4.1. What Excel cannot hold is written as text, never rounded:

    text                 inline string; what XML cannot say is escaped; longer than Excel's limit: cut, and counted
    list                 its items joined with ``; ``, as text; an empty one: nothing
    whole number         number; as text where a double-precision number would not be exact
    DOUBLE, FLOAT        number; ``nan`` and ``inf`` as text
    DECIMAL              number where double precision holds it exactly enough to give it back, else text
    BOOLEAN              boolean
    TIMESTAMP            date, to the second; before 1900-03-01 (Excel's calendar has a 29 February 1900) and after 9999
                         as text
    anything else        its text
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum

from offtake.model.query import Query


class Style(IntEnum):
    """Places in the table of cell formats that ``parts.STYLES`` writes."""

    PLAIN = 0
    INSTANT = 1
    BOLD = 2


TEXT_LIMIT = 32_767  # UTF-16 units in a cell
_EXACT = 2**53  # whole numbers up to here are exact in double precision
_INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
)
# From 1899-12-30, Excel's day nought, to 1970, in microseconds.
_BEFORE_1970 = 25_569 * 86_400_000_000

# What XML 1.0 cannot say (XML 1.0, 2.2).
_FORBIDDEN = r"\x00-\x08\x0B\x0C\x0E-\x1F\x{FFFE}\x{FFFF}"
_LIKE_AN_ESCAPE = "_x[0-9A-Fa-f]{4}"  # whether or not an underscore follows: what comes next may bring one
# Whatever may not stand in the XML as it is, or only where xml:space is said.
_SPECIAL = rf"[\x00-\x1F&<>\x{{FFFE}}\x{{FFFF}}]|{_LIKE_AN_ESCAPE}|^ | $"
_NEEDS_ESCAPES = f"[{_FORBIDDEN}]|{_LIKE_AN_ESCAPE}_"
_PIECES = f"[{_FORBIDDEN}]|{_LIKE_AN_ESCAPE}|_|[^_{_FORBIDDEN}]+"
# Line ends too: readers would make one of two, and in our files a line end is what ends a row.
_REFERENCES = (("'&'", "&amp;"), ("'<'", "&lt;"), ("'>'", "&gt;"), ("chr(10)", "&#10;"), ("chr(13)", "&#13;"))

_TEXT_BEGINS, _TEXT_ENDS = "<is><t>", "</t></is></c>"
_KEPT_TEXT_BEGINS = '<is><t xml:space="preserve">'


def rows(query: Query, types: Sequence[str]) -> Query:
    """The query's rows as the bytes of ``<row>`` elements, a line each, and how many of a row's texts were cut."""
    kinds = list(enumerate(types))
    values = ", ".join(f"{_value(number, kind)} AS v{number}" for number, kind in kinds)
    texts = [number for number, kind in kinds if _is_text(kind)]
    fitted = ", ".join(f"{_fitted(f'v{number}')} AS t{number}" for number in texts)
    shown = ", ".join(
        _text_cell(f"t{number}") if _is_text(kind) else _cell(f"v{number}", kind) for number, kind in kinds
    )
    cuts = " + ".join(_was_cut(f"v{number}", f"t{number}") for number in texts) or "0"
    aliases = ", ".join(f"c{number}" for number, _ in kinds)
    # Nothing here is from a caller: names are numbers, and what the values are is the query's own affair.
    sql = (
        f"SELECT encode(concat('<row>', {shown}, '</row>', chr(10))), {cuts}\n"  # noqa: S608
        f"FROM (SELECT *{fitted and ', ' + fitted} FROM (SELECT {values} FROM (\n{query.sql}\n) AS shown ({aliases})))"
    )
    return Query(sql=sql, values=query.values, columns=("row", "cut"))


def text_cells(values: Sequence[str], style: Style) -> Query:
    """Cells of given texts, in order, by the same rules; a row each."""
    cell = _text_cell("t0", style)
    sql = (
        f"SELECT encode({cell}), {_was_cut('v0', 't0')} FROM (SELECT *, {_fitted('v0')} AS t0 FROM "  # noqa: S608
        "(SELECT unnest($texts) AS v0, generate_subscripts($texts, 1) AS place)) ORDER BY place"
    )
    return Query(sql=sql, values={"texts": list(values)}, columns=("cell", "cut"))


def number_cell(value: int) -> bytes:
    """A cell of a given number that is small enough to be exact."""
    return f"<c><v>{value}</v></c>".encode()


def row(cells: Iterable[bytes]) -> bytes:
    """A row of cells."""
    return b"<row>" + b"".join(cells) + b"</row>\n"


def is_instant(kind: str) -> bool:
    """Whether a column of that type has date cells."""
    return kind.startswith("TIMESTAMP") and not kind.endswith("ZONE")


def is_number(kind: str) -> bool:
    """Whether a column of that type has numbers."""
    return kind in _INTEGERS or kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL(")


def is_boolean(kind: str) -> bool:
    """Whether a column of that type has booleans."""
    return kind == "BOOLEAN"


def _is_text(kind: str) -> bool:
    return not (is_instant(kind) or is_number(kind) or is_boolean(kind))


def _value(number: int, kind: str) -> str:
    """The column, as text where it has no other kind of cell."""
    column = f"c{number}"
    if kind == "VARCHAR" or not _is_text(kind):
        return column
    return f"nullif(array_to_string({column}, '; '), '')" if kind == "VARCHAR[]" else f"CAST({column} AS VARCHAR)"


# --- text -------------------------------------------------------------------------------------------------------------


def _text_cell(text: str, style: Style = Style.PLAIN) -> str:
    opened = f'<c{_styled(style)} t="inlineStr">'
    return (
        f"CASE WHEN {text} IS NULL THEN '<c/>' "
        f"WHEN regexp_matches({text}, '{_SPECIAL}') "
        f"THEN concat('{opened}{_KEPT_TEXT_BEGINS}', {_escaped(text)}, '{_TEXT_ENDS}') "
        f"ELSE concat('{opened}{_TEXT_BEGINS}', {text}, '{_TEXT_ENDS}') END"
    )


def _escaped(text: str) -> str:
    """The content of ``<t>`` that reads back as ``text``.

    Few texts have to be taken to pieces: those with characters that XML forbids, which become ``_x0001_``, and those
    that a reader would take for such an escape; then every underscore that begins one becomes ``_x005F_``.
    """
    escaped = (
        "CASE WHEN length(piece) > 1 AND starts_with(piece, '_') THEN concat('_x005F', piece) "
        f"WHEN regexp_matches(piece, '^[{_FORBIDDEN}]') THEN printf('_x%04X_', unicode(piece)) ELSE piece END"
    )
    pieces = f"list_transform(regexp_extract_all({text}, '{_PIECES}'), lambda piece: {escaped})"
    found = f"CASE WHEN regexp_matches({text}, '{_NEEDS_ESCAPES}') THEN array_to_string({pieces}, '') ELSE {text} END"
    for character, reference in _REFERENCES:
        found = f"replace({found}, {character}, '{reference}')"
    return found


def _fitted(text: str) -> str:
    """The text, or as much of its beginning as fits with an ellipsis.

    Bytes are never fewer than units, so that hardly any text is looked into: CASE spares the rest, AND would not. The
    length in characters is found in two steps: first as if all pairs stood in front, then what is left is filled as if
    it were all pairs. It never is too long, and only where both kinds mix can it be shorter than it might be.
    """
    room = TEXT_LIMIT - 1
    sure = f"({room} - {_pairs(f'left({text}, {room})')})"
    length = f"{sure} + ({room} - {_units(f'left({text}, {sure})')}) // 2"
    cut = f"CASE WHEN {_units(text)} > {TEXT_LIMIT} THEN concat(left({text}, {length}), '…') ELSE {text} END"
    return f"CASE WHEN strlen({text}) > {TEXT_LIMIT} THEN {cut} ELSE {text} END"


def _was_cut(text: str, fitted: str) -> str:
    return f"CASE WHEN strlen({text}) > {TEXT_LIMIT} THEN CAST({text} <> {fitted} AS INTEGER) ELSE 0 END"


def _units(text: str) -> str:
    """How many UTF-16 units the text has: a character beyond U+FFFF is a pair of them."""
    return f"(length({text}) + {_pairs(text)})"


def _pairs(text: str) -> str:
    return f"length(regexp_replace({text}, '[^\\x{{10000}}-\\x{{10FFFF}}]', '', 'g'))"


# --- everything else --------------------------------------------------------------------------------------------------


def _cell(value: str, kind: str) -> str:
    if is_boolean(kind):
        opened = '<c t="b"><v>'
        return f"CASE {value} WHEN true THEN '{opened}1</v></c>' WHEN false THEN '{opened}0</v></c>' ELSE '<c/>' END"
    if is_instant(kind):
        return _instant_cell(value)
    return _either("<c>", value, _is_exact(value, kind), instead=f"CAST({value} AS VARCHAR)")


def _instant_cell(value: str) -> str:
    serial = f"((epoch_us({value}) + {_BEFORE_1970}) // 1000000) / CAST(86400 AS DOUBLE)"
    fits = f"{value} >= TIMESTAMP '1900-03-01' AND {value} < TIMESTAMP '10000-01-01'"
    text = f"CAST(date_trunc('second', {value}) AS VARCHAR)"
    return _either(f"<c{_styled(Style.INSTANT)}>", serial, fits, instead=text, value=value)


def _either(opened: str, shown: str, fits: str, *, instead: str, value: str | None = None) -> str:
    """A cell with the number ``shown``, or, where it does not fit, the text ``instead``; both free of markup."""
    return (
        f"CASE WHEN {value or shown} IS NULL THEN '<c/>' "
        f"WHEN {fits} THEN concat('{opened}<v>', {shown}, '</v></c>') "
        f"ELSE concat('<c t=\"inlineStr\">{_TEXT_BEGINS}', {instead}, '{_TEXT_ENDS}') END"
    )


def _is_exact(value: str, kind: str) -> str:
    if kind in _INTEGERS:
        return f"{value} BETWEEN -{_EXACT} AND {_EXACT}"
    if kind in ("DOUBLE", "FLOAT"):
        return f"isfinite({value})"
    given_back = f"coalesce(TRY_CAST(CAST({value} AS DOUBLE) AS {kind}) = {value}, false)"
    return f"{given_back} AND abs(CAST({value} AS DOUBLE)) <= {_EXACT}"


def _styled(style: Style) -> str:
    return "" if style is Style.PLAIN else f' s="{int(style)}"'
