"""One line of the benchmark's table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What was measured, its yardstick from the same run, and the budget."""

    name: str
    measured: str  # for readers, with units
    against: str = ""  # the yardstick, for readers
    value: float | None = None  # the number that the budget limits; None when it could not be measured
    unit: str = ""
    budget: float | None = None
    at_most: bool = True  # False: the budget is a minimum

    @property
    def within(self) -> bool | None:
        """Whether the budget is kept; None without a value or a budget."""
        if self.value is None or self.budget is None:
            return None
        return self.value <= self.budget if self.at_most else self.value >= self.budget


def table(measurements: Sequence[Measurement], title: str) -> Table:
    """Return a table of all measurements with their budgets."""
    made = Table(title=title, title_justify="left")
    for heading in ("name", "measured", "against", "value", "budget", "kept"):
        made.add_column(heading, justify="right" if heading in ("value", "budget") else "left", overflow="fold")
    for measurement in measurements:
        made.add_row(
            measurement.name,
            measurement.measured,
            measurement.against,
            _number(measurement.value, measurement.unit),
            _limit(measurement),
            {None: "", True: "yes", False: "no"}[measurement.within],
        )
    return made


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}{unit}" if value >= 100 else f"{value:.2f}{unit}"


def _limit(measurement: Measurement) -> str:
    if measurement.budget is None:
        return ""
    sign = "≤" if measurement.at_most else "≥"
    return f"{sign} {measurement.budget:,g}{measurement.unit}"
