"""The counts of a load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCounts:
    """Number of rows read, by what happened to them, and of stored rows that were deleted."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0  # equal to the stored row
    superseded: int = 0  # replaced by a later row with the same key in the same call
    rejected: int = 0
    left_out: int = 0  # by the filter of a mapping
    marked: int = 0  # marked for deletion
    deleted: int = 0  # stored rows that are gone: those marked, outside a replaced period, or named by a deletion

    def __post_init__(self) -> None:
        stored = self.inserted + self.updated + self.unchanged
        if self.read != stored + self.superseded + self.rejected + self.left_out + self.marked:
            raise ValueError(f"rows were lost or counted twice: {self}")

    def as_mapping(self) -> Mapping[str, int]:
        """Return the counts by name, in order."""
        return asdict(self)

    @property
    def changed(self) -> int:
        """Number of rows that differ from before."""
        return self.inserted + self.updated + self.deleted
