"""What the log of a Delta table says about the changes of rows: their ids, counts and deletions.

Each commit of Offtake carries the id of its change. So a process that was killed, or that lost the response of object
storage, finds out later whether its change is stored. The log keeps its commits for Delta's default of 30 days.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from deltalake import DeltaTable

from offtake.errors import LakeVersionGone

_CHANGE, _VERSION = "offtake.change", "offtake.version"
_COUNTS, _TOMBSTONES = "offtake.counts", "offtake.tombstones"
_CONCURRENT_COMMITS = 100  # that may follow while the log is read


@dataclass(frozen=True, slots=True, kw_only=True)
class TombstoneFile:
    """A Parquet file with the key, event time, version and change id of each row that a commit deleted.

    ``path`` is within the table's folder.
    """

    path: str
    bytes: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeEntry:
    """What a commit carries: the id of its change, the change's counts of rows, and the file of its tombstones."""

    change_id: str
    version: int  # of the commit
    counts: Mapping[str, int] = field(default_factory=dict)
    tombstones: TombstoneFile | None = None

    def metadata(self) -> dict[str, str]:
        """Return the entry as metadata of a commit."""
        written = {
            _CHANGE: self.change_id,
            _VERSION: str(self.version),
            _COUNTS: json.dumps(dict(self.counts)),
        }
        return written if self.tombstones is None else {**written, _TOMBSTONES: json.dumps(asdict(self.tombstones))}


def find_change(newest: DeltaTable, change_id: str, *, after: int) -> ChangeEntry | None:
    """Return the entry of a change that was committed after that version, or None. Raises LakeVersionGone."""
    return next((entry for entry in changes_after(newest, after) if entry.change_id == change_id), None)


def changes_after(newest: DeltaTable, after: int) -> Sequence[ChangeEntry]:
    """Return the entries of the commits after a version, newest first; commits without a change have none.

    ``newest`` is the newest version of the table when it was opened. The log is listed anew, and delta-rs (1.6) numbers
    its commits as if none had followed, so the entries have the version themselves. Raises LakeVersionGone if the log
    no longer has all of these commits.
    """
    wanted = newest.version() - after
    if wanted <= 0:
        return ()
    commits = newest.history(wanted + _CONCURRENT_COMMITS)
    found = [(number, _entry(commit)) for number, commit in enumerate(commits) if _CHANGE in commit]
    last = found[0][1].version + found[0][0] if found else newest.version()
    if last - len(commits) > after:
        raise LakeVersionGone(f"The log of the lake table no longer has all commits after version {after}.")
    return [entry for _, entry in found if entry.version > after]


def _entry(commit: Mapping[str, Any]) -> ChangeEntry:
    return ChangeEntry(
        change_id=commit[_CHANGE],
        version=int(commit[_VERSION]),
        counts=json.loads(commit[_COUNTS]),
        tombstones=TombstoneFile(**json.loads(commit[_TOMBSTONES])) if _TOMBSTONES in commit else None,
    )
