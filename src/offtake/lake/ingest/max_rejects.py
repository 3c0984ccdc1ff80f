"""How many bad rows a load accepts."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MAX_REJECTS = re.compile(r"(\d{1,12})|(\d{1,3}(?:\.\d{1,3})?)%", re.ASCII)


@dataclass(frozen=True, slots=True)
class MaxRejects:
    """The number of bad rows with which a load still succeeds: an absolute number, or percent of the rows read."""

    rows: int = 0
    percent: float | None = None

    def __str__(self) -> str:
        return f"{self.rows:,}" if self.percent is None else f"{self.percent:g} %"

    def permits(self, rejected: int, read: int) -> bool:
        """Return whether a load with so many bad rows succeeds; a load without a good row never does."""
        if rejected == 0:
            return True
        if rejected >= read:
            return False
        return rejected <= self.rows if self.percent is None else rejected * 100 <= self.percent * read


def parse_max_rejects(text: str) -> MaxRejects:
    """Read a number such as ``10`` or a share such as ``0.5%``. Raises ValueError."""
    found = _MAX_REJECTS.fullmatch(text.replace(" ", ""))
    if found is None or (found[2] and float(found[2]) > 100):
        raise ValueError("is not a number of rows such as 10, or a share of the rows read such as 0.5%")
    return MaxRejects(rows=int(found[1])) if found[1] else MaxRejects(percent=float(found[2]))
