"""Prints what ``offtake load --check`` found."""

from __future__ import annotations

from typing import Any

from offtake.lake.ingest.check import CheckReport, FaultGroup


def as_object(report: CheckReport) -> dict[str, Any]:
    """Return the report as a JSON object."""
    counts = {"read": report.read, "good": report.good, "left_out": report.left_out, "rejected": report.rejected}
    faults = [
        {
            "column": group.column,
            "from": group.origin,
            "reason": group.reason,
            "count": group.count,
            "first": group.first,
            "examples": group.examples,
        }
        for group in _sorted(report)
    ]
    return {**counts, "faults": faults}


def as_text(report: CheckReport) -> str:
    """Return the report as text: the counts, then the faults by column."""
    counts = {key: value for key, value in as_object(report).items() if key != "faults"}
    lines = [f"{number:>10,} {name}" for name, number in counts.items()]
    column: object = ...
    for group in _sorted(report):
        if group.column != column:
            column = group.column
            origin = f" (from {group.origin!r})" if group.origin else ""
            lines += ["", f"column {column}{origin}" if column else "rows and files"]
        lines += _group(group)
    if not report.groups:
        lines += ["", "No faults. Nothing was loaded; load the files without --check."]
    return "\n".join(lines)


def _group(group: FaultGroup) -> list[str]:
    lines = [f"{group.count:>10,} {group.reason}", f"           first: {', '.join(group.first)}"]
    if group.examples:
        lines.append(f"           such as {', '.join(repr(value) for value in group.examples)}")
    return lines


def _sorted(report: CheckReport) -> list[FaultGroup]:
    """Return the groups by column, in the order in which the columns were found."""
    order = {column: number for number, (column, _) in reversed(list(enumerate(report.groups)))}
    return sorted(report.groups.values(), key=lambda group: (order[group.column], -group.count))
