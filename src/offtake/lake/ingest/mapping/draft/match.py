"""Match the columns of a file with those of a table, by name, synonym and content."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from offtake.lake.ingest.mapping.draft.content import ColumnContent, notation_of
from offtake.lake.tables import TABLES_FILE, Table, TableColumn
from offtake.model.column_type import ColumnType
from offtake.tomlfile import read_toml

SYNONYMS_FILE: Path = TABLES_FILE.with_name("synonyms.toml")
LEAST_SCORE = 0.6
_SAME, _SYNONYM, _STEM, _ALIKE, _VALUES = 1.0, 0.9, 0.85, 0.8, 0.65
_LEAST_LIKENESS = 0.86
_NESTED = 0.25  # less for a name that only the last key of a path has: "name" of a nested object is its own name
_AFFIXES = re.compile(r"^is|(at|id|seconds|milliseconds)$")
_TELLING = {ColumnType.INSTANT, ColumnType.BOOLEAN, ColumnType.LIST}  # types that a value shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A source column for a column of the table."""

    column: TableColumn
    source: str
    score: float  # 1 is certain
    reason: str


def matches(table: Table, contents: Mapping[str, ColumnContent]) -> dict[str, Match]:
    """Return the best match of each column that has one; each source column is used once."""
    found: dict[str, Match] = {}
    used: set[str] = set()
    for match in sorted(_candidates(table, contents), key=lambda each: -each.score):
        if match.column.name not in found and match.source not in used:
            found[match.column.name] = match
            used.add(match.source)
    return found


def _candidates(table: Table, contents: Mapping[str, ColumnContent]) -> Iterator[Match]:
    for column in table.columns:
        synonyms = _synonyms(table.name, column.name)
        for source, content in contents.items():
            score, reason = _name_score(column, source, synonyms)
            fits = _fits(column, content)
            if not score and content.values and column.values and fits:
                known = {value.lower() for value in column.values}
                if {value.lower() for value in content.distinct} <= known:
                    score, reason = _VALUES, "values"
            if score and column.name in table.key:
                score += 0.03  # without its key, no row can be loaded
            if not fits or (score < _SAME - _NESTED and _no_code_fits(column, content)):
                score, reason = score * 0.55, f"{reason}, but the values do not fit"
            elif score and content.values and column.type in _TELLING:
                score, reason = score + 0.02, f"{reason}, and the values fit"
            if score >= LEAST_SCORE or source == column.name:
                yield Match(column=column, source=source, score=min(1.0, round(score, 2)), reason=reason)


def _fits(column: TableColumn, content: ColumnContent) -> bool:
    return notation_of(content, column.type) is not None


def _no_code_fits(column: TableColumn, content: ColumnContent) -> bool:
    """Return whether no value is like one that the column accepts. Short codes and numbers may mean anything."""
    values = [value for value in content.distinct if len(value) > 2]
    return bool(column.values and values) and not any(nearest(value, column.values) for value in values)


def nearest(value: str, ours: Sequence[str]) -> str | None:
    """Return which of our values is most like one of the source; None if none is."""
    plain = value.lower().replace(" ", "_").replace("-", "_")
    by_plain = {each.lower(): each for each in ours}
    close = difflib.get_close_matches(plain, by_plain, n=1, cutoff=0.75)
    return by_plain[close[0]] if close else None


def _name_score(column: TableColumn, source: str, synonyms: Sequence[str]) -> tuple[float, str]:
    if source == column.name:
        return _SAME, "same name"
    score, reason = _score_of(column, _plain(source), synonyms)
    _, _, last = source.rpartition(".")
    if last == source:
        return score, reason
    of_last, reason_of_last = _score_of(column, _plain(last), synonyms)
    return (score, reason) if score >= of_last - _NESTED else (of_last - _NESTED, f"{reason_of_last} of a nested key")


def _score_of(column: TableColumn, theirs: str, synonyms: Sequence[str]) -> tuple[float, str]:
    ours = _plain(column.name)
    if ours == theirs:
        return _SAME - 0.02, "same name"
    if theirs in synonyms:  # the first synonyms are the best ones
        return _SYNONYM - 0.005 * synonyms.index(theirs), "synonym"
    stem = _AFFIXES.sub("", theirs)
    if stem and not (theirs.endswith("id") and column.type is not ColumnType.ID):
        if stem == _AFFIXES.sub("", ours):
            return _STEM, "name without its ending"
        if stem != theirs and stem in synonyms:
            return _STEM - 0.005 * synonyms.index(stem), "synonym without its ending"
    likeness = difflib.SequenceMatcher(None, ours, theirs).ratio()
    return (likeness * _ALIKE, "name alike") if likeness >= _LEAST_LIKENESS else (0.0, "")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


@lru_cache(maxsize=256)
def _synonyms(table: str, column: str) -> Sequence[str]:
    data = read_toml_synonyms()
    return [_plain(name) for name in (*data.get(table, {}).get(column, ()), *data["any"].get(column, ()))]


@lru_cache(maxsize=1)
def read_toml_synonyms() -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Return the synonyms by table, ``any`` for all tables, and column."""
    return read_toml(SYNONYMS_FILE).data
