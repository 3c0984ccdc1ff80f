"""What this process may use of its machine: memory, processors and disk.

A container or a service usually gets less than the machine has. Linux states these limits in the files of its control
groups; every group above the one of the process applies, too. Elsewhere, the whole machine is the limit.

The limits are those of https://docs.kernel.org/admin-guide/cgroup-v2.html (``memory.max``, ``memory.high``,
``cpu.max``) and https://docs.kernel.org/admin-guide/cgroup-v1/memory.html.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MIB = 1024 * 1024
_ROOT = Path("/")
_NO_LIMIT = 1 << 60  # bytes; version 1 states a number near 2^63 instead of "max"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What one process may use. ``memory_mb`` is in MiB; ``is_limited`` tells that a control group limits it."""

    memory_mb: int
    is_limited: bool
    processors: int


def read_machine(root: Path = _ROOT) -> Machine:
    """Read the limits of this process. ``root`` is the folder that holds ``proc`` and ``sys``."""
    total, groups = _total_memory(root), list(_control_groups(root))
    limit = min((limit for group in groups for limit in _memory_limits(group)), default=_NO_LIMIT)
    quota = min((quota for group in groups for quota in _processor_quotas(group)), default=float("inf"))
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        memory_mb=min(limit, total) // _MIB,
        is_limited=limit < total,
        processors=max(1, int(min(usable, quota))),
    )


def free_disk_mb(folder: Path) -> int:
    """Return the free space of the file system of ``folder``, which need not exist yet, in MiB."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free // _MIB


def _total_memory(root: Path) -> int:
    """Return the memory of the machine in bytes."""
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _control_groups(root: Path) -> Iterator[Path]:
    """Yield the folders of the process's control groups and of all groups above them.

    A line of ``/proc/self/cgroup`` is ``number:controllers:path``; the number 0 is version 2. In a container the path
    may be the one that the host uses, which does not exist inside; its parents then lead to the container's own group.
    """
    mounts = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            hierarchies = [mounts, mounts / "unified"]
        elif {"memory", "cpu"} & set(controllers.split(",")):
            hierarchies = [mounts / controllers, *(mounts / name for name in controllers.split(","))]
        else:
            continue
        group = Path(path.lstrip("/"))
        for hierarchy in hierarchies:
            yield from (hierarchy / each for each in (group, *group.parents))


def _memory_limits(group: Path) -> Iterator[int]:
    for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
        value = _read(group / name)
        if value.isdecimal() and int(value) < _NO_LIMIT:
            yield int(value)


def _processor_quotas(group: Path) -> Iterator[float]:
    quota, _, period = _read(group / "cpu.max").partition(" ")
    pairs = ((quota, period), (_read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")))
    for allowed, every in pairs:
        if allowed.isdecimal() and every.isdecimal() and int(every):
            yield int(allowed) / int(every)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
