"""SQL that encodes rows as the XML of a sheet, so that the engine does it as part of the query.

The type of a column alone decides the type of its cells. ECMA-376 part 1: cells 18.3.1.4, inline strings 18.3.1.53,
the escape ``_xHHHH_`` 22.9.2.19, dates 18.17.4.1. A value that Excel cannot represent becomes text, never rounded:

    text                 inline string; characters that XML forbids are escaped; beyond Excel's limit: truncated and
                         counted
    list                 its items joined with ``; ``, as text; no value if empty
    integer              number; text if double precision would not be exact
    DOUBLE, FLOAT        number; ``nan`` and ``inf`` as text
    DECIMAL              number if it survives a round trip through double precision, else text
    BOOLEAN              boolean
    TIMESTAMP            date, to the second; before 1900-03-01 (Excel's calendar has a 29 February 1900) and after 9999
                         as text
    other types          text
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum

from offtake.model.query import Query


class Style(IntEnum):
    """Indexes into the cell formats of ``parts.STYLES``."""

    PLAIN = 0
    INSTANT = 1
    BOLD = 2


TEXT_LIMIT = 32_767  # UTF-16 code units in a cell
_LONG_TEXT = 1_024  # bytes beyond which ``pieces`` leaves a text to ``text_cells``
_EXACT = 2**53  # integers up to this are exact in double precision
_INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
)
# From Excel's day 0, 1899-12-30, to 1970, in microseconds.
_BEFORE_1970 = 25_569 * 86_400_000_000

# Characters that XML forbids (XML 1.0, 2.2).
_FORBIDDEN = r"\x00-\x08\x0B\x0C\x0E-\x1F\x{FFFE}\x{FFFF}"
_ESCAPE_START = "_x[0-9A-Fa-f]{4}"  # without its final underscore, which the following escape may add
# Characters that need escaping or xml:space="preserve".
_SPECIAL = rf"[\x00-\x1F&<>\x{{FFFE}}\x{{FFFF}}]|{_ESCAPE_START}|^ | $"
_NEEDS_ESCAPES = f"[{_FORBIDDEN}]|{_ESCAPE_START}_"
_PIECES = f"[{_FORBIDDEN}]|{_ESCAPE_START}|_|[^_{_FORBIDDEN}]+"
# Line ends too: XML readers normalise CR LF, and in these files a line end separates rows.
_REFERENCES = (("'&'", "&amp;"), ("'<'", "&lt;"), ("'>'", "&gt;"), ("chr(10)", "&#10;"), ("chr(13)", "&#13;"))

_TEXT_BEGINS, _TEXT_ENDS = "<is><t>", "</t></is></c>"
_PRESERVED_TEXT_BEGINS = '<is><t xml:space="preserve">'


def rows(query: Query, types: Sequence[str]) -> Query:
    """Return a query for each row as the bytes of a ``<row>`` line, and how many of its texts are truncated."""
    numbered = list(enumerate(types))
    values = ", ".join(f"{_value(number, sql_type)} AS v{number}" for number, sql_type in numbered)
    texts = [number for number, sql_type in numbered if _is_text(sql_type)]
    truncated = ", ".join(f"{_truncated(f'v{number}')} AS t{number}" for number in texts)
    row_cells = ", ".join(
        _text_cell(f"t{number}") if _is_text(sql_type) else _cell(f"v{number}", sql_type)
        for number, sql_type in numbered
    )
    cuts = " + ".join(_was_cut(f"v{number}", f"t{number}") for number in texts) or "0"
    aliases = ", ".join(f"c{number}" for number, _ in numbered)
    # No SQL injection: columns are named by number, and values stay bound in the query.
    sql = (
        f"SELECT encode(concat('<row>', {row_cells}, '</row>', chr(10))), {cuts}\n"  # noqa: S608
        f"FROM (SELECT *{truncated and ', ' + truncated} FROM "
        f"(SELECT {values} FROM (\n{query.sql}\n) AS report ({aliases})))"
    )
    return Query(sql=sql, values=query.values, columns=("row", "cut"))


def pieces(query: Query, types: Sequence[str]) -> Query:
    """Return a query for each row as two values per column, of which one is null: its cell, or a long text.

    A long text is cut to one character more than a cell holds, so ``text_cells`` returns the same cell as for the text.
    """
    numbered = list(enumerate(types))
    values = ", ".join(f"{_value(number, sql_type)} AS v{number}" for number, sql_type in numbered)
    pairs = ", ".join(_pair(f"v{number}", sql_type) for number, sql_type in numbered)
    aliases = ", ".join(f"c{number}" for number, _ in numbered)
    sql = f"SELECT {pairs} FROM (SELECT {values} FROM (\n{query.sql}\n) AS report ({aliases}))"  # noqa: S608
    columns = tuple(f"{name} of {number}" for number, _ in numbered for name in ("cell", "text"))
    return Query(sql=sql, values=query.values, columns=columns)


def _pair(value: str, sql_type: str) -> str:
    if not _is_text(sql_type):
        return f"encode({_cell(value, sql_type)}), NULL"
    is_long = f"strlen({value}) > {_LONG_TEXT}"
    return (
        f"CASE WHEN {is_long} THEN NULL ELSE encode({_text_cell(value)}) END, "
        f"CASE WHEN {is_long} THEN left({value}, {TEXT_LIMIT + 1}) END"
    )


def text_cells(values: Sequence[str], style: Style) -> Query:
    """Return a query for cells of the given texts, in order, by the same rules; one row each."""
    cell = _text_cell("t0", style)
    sql = (
        f"SELECT encode({cell}), {_was_cut('v0', 't0')} FROM (SELECT *, {_truncated('v0')} AS t0 FROM "  # noqa: S608
        "(SELECT unnest($texts) AS v0, generate_subscripts($texts, 1) AS position)) ORDER BY position"
    )
    return Query(sql=sql, values={"texts": list(values)}, columns=("cell", "cut"))


def number_cell(value: int) -> bytes:
    """Return the cell of an integer that double precision represents exactly."""
    return f"<c><v>{value}</v></c>".encode()


def row(cells: Iterable[bytes]) -> bytes:
    """Return a row of cells."""
    return b"<row>" + b"".join(cells) + b"</row>\n"


def is_instant(sql_type: str) -> bool:
    """Return whether a column of that type has date cells."""
    return sql_type.startswith("TIMESTAMP") and not sql_type.endswith("ZONE")


def is_number(sql_type: str) -> bool:
    """Return whether a column of that type has number cells."""
    return sql_type in _INTEGERS or sql_type in ("DOUBLE", "FLOAT") or sql_type.startswith("DECIMAL(")


def is_boolean(sql_type: str) -> bool:
    """Return whether a column of that type has boolean cells."""
    return sql_type == "BOOLEAN"


def _is_text(sql_type: str) -> bool:
    return not (is_instant(sql_type) or is_number(sql_type) or is_boolean(sql_type))


def _value(number: int, sql_type: str) -> str:
    """Return the column; cast to text unless it has number, date or boolean cells."""
    column = f"c{number}"
    if sql_type == "VARCHAR" or not _is_text(sql_type):
        return column
    return f"nullif(array_to_string({column}, '; '), '')" if sql_type == "VARCHAR[]" else f"CAST({column} AS VARCHAR)"


# --- text -------------------------------------------------------------------------------------------------------------


def _text_cell(text: str, style: Style = Style.PLAIN) -> str:
    opened = f'<c{_styled(style)} t="inlineStr">'
    return (
        f"CASE WHEN {text} IS NULL THEN '<c/>' "
        f"WHEN regexp_matches({text}, '{_SPECIAL}') "
        f"THEN concat('{opened}{_PRESERVED_TEXT_BEGINS}', {_escaped(text)}, '{_TEXT_ENDS}') "
        f"ELSE concat('{opened}{_TEXT_BEGINS}', {text}, '{_TEXT_ENDS}') END"
    )


def _escaped(text: str) -> str:
    """Return SQL for the content of ``<t>`` that reads back as ``text``.

    Only two kinds of texts are split into pieces: those with characters that XML forbids, which become ``_x0001_``, and
    those that contain such a sequence literally, whose underscore becomes ``_x005F_``.
    """
    escaped = (
        "CASE WHEN length(piece) > 1 AND starts_with(piece, '_') THEN concat('_x005F', piece) "
        f"WHEN regexp_matches(piece, '^[{_FORBIDDEN}]') THEN printf('_x%04X_', unicode(piece)) ELSE piece END"
    )
    pieces = f"list_transform(regexp_extract_all({text}, '{_PIECES}'), lambda piece: {escaped})"
    content = f"CASE WHEN regexp_matches({text}, '{_NEEDS_ESCAPES}') THEN array_to_string({pieces}, '') ELSE {text} END"
    for character, reference in _REFERENCES:
        content = f"replace({content}, {character}, '{reference}')"
    return content


def _truncated(text: str) -> str:
    """Return SQL for the text, truncated with an ellipsis if it exceeds Excel's limit.

    A text never has fewer UTF-8 bytes than UTF-16 code units, so most texts need no closer check; CASE short-circuits,
    AND would not. The length in characters is computed in two steps: a prefix that fits even if all surrogate pairs are
    in it, then half of the remaining code units, as if the rest were all pairs. The result never exceeds the limit; it
    may be shorter than possible if both kinds of characters mix.
    """
    limit = TEXT_LIMIT - 1
    prefix = f"({limit} - {_pairs(f'left({text}, {limit})')})"
    length = f"{prefix} + ({limit} - {_units(f'left({text}, {prefix})')}) // 2"
    cut = f"CASE WHEN {_units(text)} > {TEXT_LIMIT} THEN concat(left({text}, {length}), '…') ELSE {text} END"
    return f"CASE WHEN strlen({text}) > {TEXT_LIMIT} THEN {cut} ELSE {text} END"


def _was_cut(text: str, truncated: str) -> str:
    return f"CASE WHEN strlen({text}) > {TEXT_LIMIT} THEN CAST({text} <> {truncated} AS INTEGER) ELSE 0 END"


def _units(text: str) -> str:
    """Return SQL for the number of UTF-16 code units; a character beyond U+FFFF has two."""
    return f"(length({text}) + {_pairs(text)})"


def _pairs(text: str) -> str:
    return f"length(regexp_replace({text}, '[^\\x{{10000}}-\\x{{10FFFF}}]', '', 'g'))"


# --- numbers, dates, booleans -----------------------------------------------------------------------------------------


def _cell(value: str, sql_type: str) -> str:
    if is_boolean(sql_type):
        opened = '<c t="b"><v>'
        return f"CASE {value} WHEN true THEN '{opened}1</v></c>' WHEN false THEN '{opened}0</v></c>' ELSE '<c/>' END"
    if is_instant(sql_type):
        return _instant_cell(value)
    return _number_or_text("<c>", value, _is_exact(value, sql_type), fallback=f"CAST({value} AS VARCHAR)")


def _instant_cell(value: str) -> str:
    serial = f"((epoch_us({value}) + {_BEFORE_1970}) // 1000000) / CAST(86400 AS DOUBLE)"
    is_valid = f"{value} >= TIMESTAMP '1900-03-01' AND {value} < TIMESTAMP '10000-01-01'"
    text = f"CAST(date_trunc('second', {value}) AS VARCHAR)"
    return _number_or_text(f"<c{_styled(Style.INSTANT)}>", serial, is_valid, fallback=text, value=value)


def _number_or_text(opened: str, number: str, is_valid: str, *, fallback: str, value: str | None = None) -> str:
    """Return SQL for a cell with ``number`` if it is valid, else with the text ``fallback``; neither holds markup."""
    return (
        f"CASE WHEN {value or number} IS NULL THEN '<c/>' "
        f"WHEN {is_valid} THEN concat('{opened}<v>', {number}, '</v></c>') "
        f"ELSE concat('<c t=\"inlineStr\">{_TEXT_BEGINS}', {fallback}, '{_TEXT_ENDS}') END"
    )


def _is_exact(value: str, sql_type: str) -> str:
    if sql_type in _INTEGERS:
        return f"{value} BETWEEN -{_EXACT} AND {_EXACT}"
    if sql_type in ("DOUBLE", "FLOAT"):
        return f"isfinite({value})"
    round_trips = f"coalesce(TRY_CAST(CAST({value} AS DOUBLE) AS {sql_type}) = {value}, false)"
    return f"{round_trips} AND abs(CAST({value} AS DOUBLE)) <= {_EXACT}"


def _styled(style: Style) -> str:
    return "" if style is Style.PLAIN else f' s="{int(style)}"'
