"""What the rows of a report lose when a table is empty: its cases run again, each time without the rows of one table.

The parameters of a case are replaced by their defaults, because a filter on what a table says loses rows that the
report has without the filter.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from offtake.core.report_cases.case import TENANT, Row
from offtake.core.report_cases.run import FilledCase
from offtake.model.report import IfEmpty, Report, RowsIfEmpty


@dataclass(slots=True)
class Trial:
    """What the cases so far have shown of one table."""

    rows: set[RowsIfEmpty] = field(default_factory=set)  # of each case
    null: set[str] = field(default_factory=set)
    other: set[str] = field(default_factory=set)

    def add(self, columns: Sequence[str], key: Collection[str], before: Sequence[Row], after: Sequence[Row]) -> None:
        """Compare the rows of a case with those that it has without the table."""
        if len(after) < len(before):
            self.rows.add(RowsIfEmpty.FEWER if after else RowsIfEmpty.NONE)
        else:
            self.rows.add(RowsIfEmpty.SAME)
        for name in columns:
            values = _changed(name, key, before, after)
            if values:
                (self.null if values == {None} else self.other).add(name)

    def result(self, columns: Sequence[str]) -> IfEmpty:
        """Return what all cases show together."""
        if self.rows == {RowsIfEmpty.NONE}:
            return IfEmpty(rows=RowsIfEmpty.NONE)
        return IfEmpty(
            rows=RowsIfEmpty.SAME if self.rows == {RowsIfEmpty.SAME} else RowsIfEmpty.FEWER,
            null=tuple(name for name in columns if name in self.null and name not in self.other),
            other=tuple(name for name in columns if name in self.other),
        )


def add_case(trials: dict[str, Trial], case: FilledCase, *, only: Collection[str] | None = None) -> None:
    """Run a case without each table of its report, or of ``only`` these, and add what it shows to the trials by table.

    A case shows nothing of a table of which it has no rows.
    """
    report = case.report
    columns = [column.name for column in report.columns]
    filled = {table for table, tenant, _, rows in case.case.inputs() if tenant == TENANT and rows}
    tables = sorted(
        filled.intersection(use.table for use in report.tables).intersection(filled if only is None else only)
    )
    if not tables:
        return
    before, *others = case.rows_without([None, *tables])
    for table, after in zip(tables, others, strict=True) if before else ():
        trials.setdefault(table, Trial()).add(columns, report.key, before, after)


def undeclared(report: Report, trials: Mapping[str, Trial]) -> tuple[list[str], list[str]]:
    """Return the lines of ``report.toml`` that differ from the trials, and those that lack what the trials show."""
    columns = [column.name for column in report.columns]
    differing, missing = [], []
    for use in report.tables:
        if use.table not in trials:
            continue
        shown = trials[use.table].result(columns)
        line = f'{{ table = "{use.table}", prune = "{use.prune}", if_empty = {inline_table(shown)} }}'
        if use.if_empty is None:
            missing.append(line)
        elif use.if_empty != shown:
            differing.append(f"the cases show: {line}")
    return differing, missing


def inline_table(found: IfEmpty) -> str:
    """Return the value of ``if_empty`` in ``report.toml``."""
    lists = [f"{key} = [{', '.join(map(json.dumps, names))}]" for key, names in _lists(found) if names]
    listed = ", ".join([f"rows = {json.dumps(found.rows)}", *lists])
    return f"{{ {listed} }}"


def _lists(found: IfEmpty) -> Sequence[tuple[str, Sequence[str]]]:
    return (("null", found.null), ("other", found.other))


def _changed(name: str, key: Collection[str], before: Sequence[Row], after: Sequence[Row]) -> set[object]:
    """Return the values of a column that take the place of others.

    Rows are the same row if they have the same key. As many rows remain without a partner on both sides if a column of
    the key has other values; their values are then compared without regard to the rows.
    """
    old, new = ({_identity(row, key): row for row in rows} for rows in (before, after))
    found = {_hashable(new[each][name]) for each in old.keys() & new.keys() if old[each][name] != new[each][name]}
    lost = Counter(_hashable(old[each][name]) for each in old.keys() - new.keys())
    gained = Counter(_hashable(new[each][name]) for each in new.keys() - old.keys())
    return found | set(gained - lost) if lost.total() == gained.total() else found


def _identity(row: Row, key: Collection[str]) -> tuple[object, ...]:
    return tuple(_hashable(row[name]) for name in key)


def _hashable(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
