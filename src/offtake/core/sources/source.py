"""A source: where its files are, and how they are loaded."""

from __future__ import annotations

from dataclasses import dataclass, field

from offtake.core.loads.changes import Target
from offtake.lake.ingest.options import LoadOptions
from offtake.model.load import Completeness
from offtake.model.source import SourceRef, WatchPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedSource:
    """A source and how its files are loaded."""

    name: str
    target: Target
    location: str
    pattern: str = "*"
    form: str | None = None
    options: LoadOptions = field(default_factory=LoadOptions)
    completeness: Completeness | None = None
    policy: WatchPolicy = field(default_factory=WatchPolicy)

    @property
    def ref(self) -> SourceRef:
        """What the state database knows it by."""
        return SourceRef(tenant=self.target.tenant, name=self.name)
