"""One line of the bench's table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured, what it is held against in the same run, and the budget; all in words except ``value``."""

    what: str
    measured: str
    against: str = ""
    value: float | None = None  # the number the budget speaks of; None when it could not be measured
    unit: str = ""
    budget: float | None = None
    at_most: bool = True  # else: at least

    @property
    def within(self) -> bool | None:
        """Whether the budget is kept; None where there is nothing to compare."""
        if self.value is None or self.budget is None:
            return None
        return self.value <= self.budget if self.at_most else self.value >= self.budget


def table(figures: Sequence[Figure], title: str) -> Table:
    """All lines, with the budget beside each figure."""
    made = Table(title=title, title_justify="left")
    for heading in ("what", "measured", "against", "figure", "budget", "kept"):
        made.add_column(heading, justify="right" if heading in ("figure", "budget") else "left", overflow="fold")
    for figure in figures:
        made.add_row(
            figure.what,
            figure.measured,
            figure.against,
            _number(figure.value, figure.unit),
            _limit(figure),
            {None: "", True: "yes", False: "no"}[figure.within],
        )
    return made


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}{unit}" if value >= 100 else f"{value:.2f}{unit}"


def _limit(figure: Figure) -> str:
    if figure.budget is None:
        return ""
    sign = "≤" if figure.at_most else "≥"
    return f"{sign} {figure.budget:,g}{figure.unit}"
