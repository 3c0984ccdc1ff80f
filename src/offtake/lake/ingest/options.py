"""Options of a load: how many bad rows it accepts, which period it replaces, and which rows it deletes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from offtake.lake.ingest.mapping.definition import IDENTITY, MappingDefinition
from offtake.lake.ingest.max_rejects import MaxRejects
from offtake.lake.ingest.upsert import Change
from offtake.model.timespan import Timespan


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
