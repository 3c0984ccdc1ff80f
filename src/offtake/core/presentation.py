"""How a dialect shows a report in one format; each dialect gives the core one function that says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from offtake.formats import Envelope
from offtake.model.report import Publication, PublishedColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Columns in order, their names in the file, and what stands around an array of rows."""

    columns: tuple[PublishedColumn, ...]
    headers: tuple[str, ...]
    envelope: Envelope = field(default_factory=Envelope)


Presentation = Callable[[Publication, str], Layout]  # (report as published, name of the format)
