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
_LEAST_LIKENESS = 0.82
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
            if not fits:
                score, reason = score * 0.55, f"{reason}, but the values do not fit"
            elif score and content.values and column.type in _TELLING:
                score, reason = score + 0.02, f"{reason}, and the values fit"
            if score >= LEAST_SCORE or source == column.name:
                yield Match(column=column, source=source, score=min(1.0, round(score, 2)), reason=reason)


def _fits(column: TableColumn, content: ColumnContent) -> bool:
    return notation_of(content, column.type) is not None


def _name_score(column: TableColumn, source: str, synonyms: Sequence[str]) -> tuple[float, str]:
    if source == column.name:
        return _SAME, "same name"
    ours, theirs = _plain(column.name), _plain(source.rpartition(".")[2])
    whole = _plain(source)
    if ours in {theirs, whole}:
        return _SAME - 0.02, "same name"
    if theirs in synonyms or whole in synonyms:
        # The first synonyms are the best ones.
        rank = min(synonyms.index(name) for name in {theirs, whole} if name in synonyms)
        return _SYNONYM - 0.005 * rank, "synonym"
    if _AFFIXES.sub("", ours) == _AFFIXES.sub("", theirs) != "":
        return _STEM, "name without its ending"
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
