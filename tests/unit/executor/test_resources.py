"""The limits of an attempt come from the machine, shared between concurrent attempts; settings take precedence."""

from __future__ import annotations

from pathlib import Path

import pytest

from offtake.executor.resources import AttemptResources, attempt_resources
from offtake.executor.settings import WorkerSettings
from offtake.machine import Machine, free_disk_mb


def resources(folder: Path, worker: WorkerSettings, machine: Machine, *, attempts: int = 1) -> AttemptResources:
    return attempt_resources(worker, machine, attempts=attempts, spill_folder=folder, min_free_mb=0)


@pytest.mark.parametrize(
    ("memory_mb", "is_limited", "attempts", "expected"),
    [
        (2_048, True, 1, 2_048 - 256 - 300 - 200),
        (4_096, False, 1, 2_048 - 256 - 300 - 200),  # half of a machine that other programs share
        (8_192, True, 2, (8_192 - 1_024 - 300 - 400) // 2),
        (1_024, True, 2, 256),  # never less
        (512, True, 1, 256),
    ],
)
def test_the_memory_of_the_machine_is_divided_less_a_reserve(
    tmp_path: Path, memory_mb: int, is_limited: bool, attempts: int, expected: int
) -> None:
    machine = Machine(memory_mb=memory_mb, is_limited=is_limited, processors=4)
    assert resources(tmp_path, WorkerSettings(), machine, attempts=attempts).memory_mb == expected


@pytest.mark.parametrize(
    ("memory_mb", "attempts", "expected"),
    [(16_384, 1, 8), (16_384, 2, 4), (16_384, 16, 1), (512, 1, 2)],
    ids=["all", "shared", "at-least-one", "128-MiB-each"],
)
def test_the_processors_are_divided_as_far_as_the_memory_allows(
    tmp_path: Path, memory_mb: int, attempts: int, expected: int
) -> None:
    machine = Machine(memory_mb=memory_mb, is_limited=True, processors=8)
    assert resources(tmp_path, WorkerSettings(), machine, attempts=attempts).threads == expected


def test_half_of_the_free_disk_is_divided(tmp_path: Path) -> None:
    machine = Machine(memory_mb=512, is_limited=True, processors=1)
    free = free_disk_mb(tmp_path)
    assert resources(tmp_path, WorkerSettings(), machine, attempts=2).temp_mb == pytest.approx(free / 4, rel=0.2)
    full = attempt_resources(WorkerSettings(), machine, attempts=2, spill_folder=tmp_path, min_free_mb=10 * free)
    assert full.temp_mb == 1_024


def test_settings_take_precedence(tmp_path: Path) -> None:
    machine = Machine(memory_mb=65_536, is_limited=False, processors=64)
    given = WorkerSettings(memory_mb=128, threads=3, temp_mb=0)
    assert resources(tmp_path, given, machine) == AttemptResources(memory_mb=128, threads=3, temp_mb=0)
