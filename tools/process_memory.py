"""Peak memory of running processes, as Linux counts it: VmHWM, set back before each measurement.

A process is named by its id, or ``self``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def forget_peaks(pids: Iterable[int | str]) -> None:
    """Start the peaks of these processes anew (value 5 of clear_refs, see proc(5))."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_mb(pids: Iterable[int | str]) -> float:
    """Sum of the peaks of these processes in MiB: never less than the true peak of them together."""
    return sum(_peak_kb(pid) for pid in pids) / 1024


def _peak_kb(pid: int | str) -> int:
    found = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0
