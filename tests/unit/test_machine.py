"""Memory and processors come from the limits of the container or service, wherever its control groups state them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from offtake.machine import Machine, free_disk_mb, read_machine

GIB = 1024**3


def machine_of(folder: Path, groups: str, limits: dict[str, str]) -> Machine:
    """Read a machine of 16 GiB whose process is in these control groups, with these files below ``sys/fs/cgroup``."""
    files = {"proc/meminfo": f"MemTotal: {16 * GIB // 1024} kB\nMemFree: 1 kB\n", "proc/self/cgroup": groups}
    for name, text in (files | {f"sys/fs/cgroup/{name}": text for name, text in limits.items()}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_machine(folder)


@pytest.mark.parametrize(
    ("groups", "limits"),
    [
        ("0::/app\n", {"app/memory.max": f"{GIB}\n"}),
        ("0::/app\n", {"app/memory.max": "max\n", "app/memory.high": f"{GIB}\n"}),
        ("0::/slice/app\n", {"slice/app/memory.max": f"{2 * GIB}\n", "slice/memory.max": f"{GIB}\n"}),
        ("0::/\n", {"memory.max": f"{GIB}\n"}),
        ("4:memory:/docker/1\n0::/\n", {"memory/docker/1/memory.limit_in_bytes": f"{GIB}\n"}),
        ("4:memory:/docker/of-the-host\n", {"memory/memory.limit_in_bytes": f"{GIB}\n"}),
    ],
    ids=["v2", "v2-high", "v2-above", "v2-container", "v1", "v1-container"],
)
def test_the_memory_limit_of_a_control_group_applies(tmp_path: Path, groups: str, limits: dict[str, str]) -> None:
    found = machine_of(tmp_path, groups, limits)
    assert (found.memory_mb, found.is_limited) == (1024, True)


@pytest.mark.parametrize(
    ("groups", "limits"),
    [
        ("", {}),
        ("0::/app\n", {"app/memory.max": "max\n"}),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": f"{2**63 - 4096}\n"}),
        ("0::/app\n", {"app/memory.max": f"{32 * GIB}\n"}),
    ],
    ids=["no-group", "v2-max", "v1-max", "more-than-the-machine"],
)
def test_without_a_limit_the_memory_of_the_machine_applies(tmp_path: Path, groups: str, limits: dict[str, str]) -> None:
    found = machine_of(tmp_path, groups, limits)
    assert (found.memory_mb, found.is_limited) == (16 * 1024, False)


@pytest.mark.parametrize(
    ("groups", "limits"),
    [
        ("0::/app\n", {"app/cpu.max": "100000 100000\n"}),
        ("0::/app\n", {"app/cpu.max": "20000 100000\n"}),
        (
            "3:cpu,cpuacct:/app\n",
            {"cpu,cpuacct/app/cpu.cfs_quota_us": "150000\n", "cpu,cpuacct/app/cpu.cfs_period_us": "100000"},
        ),
    ],
    ids=["v2", "less-than-one", "v1"],
)
def test_the_processor_quota_of_a_control_group_applies(tmp_path: Path, groups: str, limits: dict[str, str]) -> None:
    assert machine_of(tmp_path, groups, limits).processors == 1


def test_without_a_quota_the_processors_of_the_process_apply(tmp_path: Path) -> None:
    limits = {"app/cpu.max": "max 100000\n", "cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}
    assert machine_of(tmp_path, "0::/app\n", limits).processors == len(os.sched_getaffinity(0))


def test_this_machine_has_memory_processors_and_disk(tmp_path: Path) -> None:
    found = read_machine()
    assert 0 < found.memory_mb <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024**2
    assert found.processors >= 1
    assert free_disk_mb(tmp_path / "not" / "yet") == pytest.approx(free_disk_mb(tmp_path), rel=0.5)
