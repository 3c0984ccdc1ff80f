"""Options of a load: how many bad rows it accepts, which period it replaces, and which rows it deletes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from offtake.lake.ingest.mapping.definition import IDENTITY, MappingDefinition
from offtake.lake.ingest.upsert import Change
from offtake.model.timespan import Timespan

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


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """Options of a load."""

    mapping: MappingDefinition = IDENTITY
    reject_to: Path | None = None  # file for the bad rows
    max_rejects: MaxRejects = field(default_factory=MaxRejects)
    period: Timespan | None = None  # of the event time; stored rows in it that are not incoming are deleted
    delete_column: str | None = None  # of the sources; it tells which rows are to be deleted
    change: Change = field(default_factory=Change)
    # Called with the newest event time of the valid rows, if there is one, before they are stored.
    newest_event: Callable[[datetime], None] | None = None
