"""What the log of a Delta table says about the changes of rows: their ids, counts and deletions.

Each commit of Offtake carries the id of its change. So a process that was killed, or that lost the response of object
storage, finds out later whether its change is stored. The log keeps its commits for Delta's default of 30 days.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deltalake import DeltaTable

from offtake.errors import LakeVersionGone

_CHANGE, _COUNTS, _TOMBSTONES = "offtake.change", "offtake.counts", "offtake.tombstones"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeEntry:
    """What a commit carries: the id of its change, the change's counts of rows, and the file of its tombstones."""

    change_id: str
    counts: Mapping[str, int] = field(default_factory=dict)
    tombstones: str | None = None  # within the table's folder
    version: int = -1  # of the commit; not written, because the log has it

    def metadata(self) -> dict[str, str]:
        """Return the entry as metadata of a commit."""
        written = {_CHANGE: self.change_id, _COUNTS: json.dumps(dict(self.counts))}
        return written if self.tombstones is None else {**written, _TOMBSTONES: self.tombstones}


def find_change(delta: DeltaTable, change_id: str, *, after: int) -> ChangeEntry | None:
    """Return the entry of a change that was committed after that version, or None. Raises LakeVersionGone."""
    return next((entry for entry in changes_after(delta, after) if entry.change_id == change_id), None)


def changes_after(delta: DeltaTable, after: int) -> Sequence[ChangeEntry]:
    """Return the entries of the commits after a version, up to ``delta``'s, newest first.

    Commits without a change have none. Raises LakeVersionGone if the log no longer has all of these commits.
    """
    wanted = delta.version() - after
    if wanted <= 0:
        return ()
    commits = delta.history(wanted)
    if len(commits) < wanted:
        raise LakeVersionGone(f"The log of the lake table no longer has all commits after version {after}.")
    return [_entry(commit) for commit in commits if _CHANGE in commit]


def _entry(commit: Mapping[str, Any]) -> ChangeEntry:
    return ChangeEntry(
        change_id=commit[_CHANGE],
        counts=json.loads(commit[_COUNTS]),
        tombstones=commit.get(_TOMBSTONES),
        version=commit["version"],
    )
