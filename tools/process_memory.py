"""Peak memory of running processes as Linux counts it (VmHWM), reset before each measurement.

A process is given by its id, or as ``self``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def reset_peaks(pids: Iterable[int | str]) -> None:
    """Reset the peaks of these processes (value 5 of clear_refs, see proc(5))."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_mb(pids: Iterable[int | str]) -> float:
    """Return the sum of these processes' peaks in MiB, which is an upper bound of their common peak."""
    return sum(_peak_kb(pid) for pid in pids) / 1024


def _peak_kb(pid: int | str) -> int:
    found = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0
