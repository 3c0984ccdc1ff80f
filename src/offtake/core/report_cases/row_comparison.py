"""Comparison of rows whose order does not count, with a message that names what differs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

_SHOWN_ROWS = 5
_SHOWN_COLUMNS = 8  # per row
WIDTH = 80  # of a value
_LEAD = 20  # characters that are shown before the first difference of two long values

# A row with the text of each value, so that 1, 1.0, True and "1" are different.
_Texts = dict[str, str]


def differences(
    found: Iterable[Mapping[str, Any]], expected: Iterable[Mapping[str, Any]], *, key: Sequence[str] = ()
) -> list[str]:
    """Return lines about the differences; none if both hold the same rows, in any order.

    Rows with the same values in the columns of ``key`` are compared column by column. Without a key, a row is compared
    with the row that has the most equal values.
    """
    found_rows, expected_rows = _texts(found), _texts(expected)
    unexpected, missing = _without(found_rows, expected_rows), _without(expected_rows, found_rows)
    if not missing and not unexpected:
        return []
    counts = f"{len(found_rows)} rows found, {len(expected_rows)} rows expected"
    return [counts, *_differences(unexpected, missing, key)]


def _texts(rows: Iterable[Mapping[str, Any]]) -> list[_Texts]:
    return [{name: repr(value) for name, value in row.items()} for row in rows]


def _without(rows: list[_Texts], others: list[_Texts]) -> list[_Texts]:
    """The rows that are not among the others; two equal rows need two equal others."""
    available = Counter(frozenset(row.items()) for row in others)
    left = []
    for row in rows:
        identity = frozenset(row.items())
        if available[identity]:
            available[identity] -= 1
        else:
            left.append(row)
    return left


def _differences(unexpected: list[_Texts], missing: list[_Texts], key: Sequence[str]) -> list[str]:
    pairs, unexpected, missing = _pairs(unexpected, missing, key)
    return [
        *_summary("missing", "column", Counter(name for one, other in pairs for name in other if name not in one)),
        *_summary("unexpected", "column", Counter(name for one, other in pairs for name in one if name not in other)),
        *_summary("differs", "column", Counter(name for one, other in pairs for name in _unequal(one, other))),
        *_listed([_compared(one, other, key) for one, other in pairs], "rows differ"),
        *_listed([f"missing row: {_row(row, key)}" for row in missing], "rows are missing"),
        *_listed([f"unexpected row: {_row(row, key)}" for row in unexpected], "rows are unexpected"),
    ]


def _pairs(
    found: list[_Texts], expected: list[_Texts], key: Sequence[str]
) -> tuple[list[tuple[_Texts, _Texts]], list[_Texts], list[_Texts]]:
    """Pairs of a found and an expected row, and the rows of both that have no counterpart."""
    candidates: defaultdict[tuple[str | None, ...], list[_Texts]] = defaultdict(list)
    for row in found:
        candidates[_key_of(row, key)].append(row)
    pairs, missing = [], []
    for row in expected:
        if same_key := candidates[_key_of(row, key)]:
            pairs.append((_take_nearest(row, same_key), row))
        else:
            missing.append(row)
    return pairs, [row for rows in candidates.values() for row in rows], missing


def _key_of(row: _Texts, key: Sequence[str]) -> tuple[str | None, ...]:
    return tuple(row.get(name) for name in key)


def _take_nearest(row: _Texts, others: list[_Texts]) -> _Texts:
    """Remove the row that has the most equal values, and return it."""
    return others.pop(max(range(len(others)), key=lambda number: len(row.items() & others[number].items())))


def _unequal(found: _Texts, expected: _Texts) -> list[str]:
    return [name for name, text in expected.items() if name in found and found[name] != text]


def _summary(word: str, noun: str, rows_of: Counter[str]) -> list[str]:
    """One line with the columns and the number of rows of each."""
    shown = [f"{name} ({count} row{'s' * (count > 1)})" for name, count in rows_of.most_common()]
    return [f"{word} {noun}{'s' * (len(shown) > 1)}: {', '.join(shown)}"] if shown else []


def _compared(found: _Texts, expected: _Texts, key: Sequence[str]) -> str:
    """The columns in which two rows differ, with both values."""
    lines = []
    for name in dict.fromkeys((*expected, *found)):
        if name not in found:
            lines.append(f"{name}: missing, expected {_cut(expected[name])}")
        elif name not in expected:
            lines.append(f"{name}: unexpected, found {_cut(found[name])}")
        elif found[name] != expected[name]:
            equal = sum(
                1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(found[name], expected[name], strict=False))
            )
            lines.append(f"{name}: found {_cut(found[name], equal)}, expected {_cut(expected[name], equal)}")
    more = [f"… and {len(lines) - _SHOWN_COLUMNS} more columns"] if len(lines) > _SHOWN_COLUMNS else []
    return "\n    ".join([f"row {_row(expected, key)}", *lines[:_SHOWN_COLUMNS], *more])


def _row(row: _Texts, key: Sequence[str]) -> str:
    """The columns of the key, or without one the first columns."""
    names = [name for name in key if name in row] or list(row)[:3]
    return ", ".join(f"{name}={_cut(row[name])}" for name in names)


def _cut(text: str, around: int = 0) -> str:
    """At most ``WIDTH`` characters of the text, among them the one at ``around``."""
    if len(text) <= WIDTH:
        return text
    start = min(max(around - _LEAD, 0), len(text) - WIDTH)
    end = start + WIDTH
    return f"{'…' * (start > 0)}{text[start:end]}{'…' * (end < len(text))}"


def _listed(texts: list[str], left_out: str) -> list[str]:
    more = [f"… and {len(texts) - _SHOWN_ROWS} more {left_out}"] if len(texts) > _SHOWN_ROWS else []
    return [*texts[:_SHOWN_ROWS], *more]
