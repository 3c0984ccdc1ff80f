"""What the rows of a report lose when a table is empty: its cases run again, each time without the rows of one table.

The parameters of a case are replaced by their defaults, because a filter on what a table says loses rows that the
report has without the filter.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from offtake.core.report_cases.case import TENANT, Row
from offtake.core.report_cases.run import FilledCase
from offtake.model.report import IfEmpty, Report, RowsIfEmpty


@dataclass(slots=True)
class Trial:
    """What the cases so far have shown of one table."""

    rows: set[RowsIfEmpty] = field(default_factory=set)  # of each case
    null: set[str] = field(default_factory=set)
    other: set[str] = field(default_factory=set)

    def add(self, columns: Sequence[str], key: Sequence[str], before: Sequence[Row], after: Sequence[Row]) -> None:
        """Compare the rows of a case with those that it has without the table."""
        pairs = _pairs(key, before, after)
        if not after:
            self.rows.add(RowsIfEmpty.NONE)
        else:
            self.rows.add(RowsIfEmpty.FEWER if len(pairs) < len(before) else RowsIfEmpty.SAME)
        for name in columns:
            values = [new[name] for old, new in pairs if old[name] != new[name]]
            if values:
                (self.null if all(value is None for value in values) else self.other).add(name)

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


def _pairs(key: Sequence[str], before: Sequence[Row], after: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Return each row with what it becomes: the row with the same key, the most similar one if there are several.

    A column of the key may have another value, such as an id for a number. Then the row becomes one that is not the
    row of another key, and that has all but one column of the key in common.
    """
    remaining, pairs, lost = list(after), [], []
    for row in before:
        same = [each for each in remaining if _equal(each, row, key) == len(key)]
        if same:
            nearest = max(same, key=partial(_equal, row, names=tuple(row)))
            remaining.remove(nearest)
            pairs.append((row, nearest))
        else:
            lost.append(row)
    for row in lost if len(key) > 1 else ():
        similar = next((each for each in remaining if _equal(each, row, key) == len(key) - 1), None)
        if similar is not None:
            remaining.remove(similar)
            pairs.append((row, similar))
    return pairs


def _equal(one: Row, other: Row, names: Sequence[str]) -> int:
    """Return in how many of these columns two rows are equal."""
    return sum(one[name] == other[name] for name in names)
