"""Memory, threads and temporary space of one attempt: the settings, or what the machine allows.

    memory_mb = (memory - reserve) / attempts, at least 256
    threads   = processors / attempts, at least 1, and at most one for each 128 MiB of memory_mb
    temp_mb   = half of (free disk - min_free_mb) / attempts, at least 1,024

``memory`` is the limit of the container or service, or half of a machine without such a limit, which other programs
share. The reserve is 300 MiB for the server, 200 MiB for the interpreter and libraries of each attempt, and an eighth
of the memory for the system's cache of files. The other half of the disk is for finished files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from offtake.executor.settings import WorkerSettings
from offtake.machine import Machine, free_disk_mb

SERVER_MB = 300
PROCESS_MB = 200  # of each worker, besides the memory of its query
_CACHE_SHARE = 8  # one eighth
_MIN_MEMORY_MB = 256
_MIN_TEMP_MB = 1_024
_THREAD_MB = 128  # minimum memory of a thread


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResources:
    """Limits of one attempt; memory and temporary space are in MiB."""

    memory_mb: int
    threads: int
    temp_mb: int


def attempt_resources(
    worker: WorkerSettings, machine: Machine, *, attempts: int, spill_folder: Path, min_free_mb: int
) -> AttemptResources:
    """Return the limits of one attempt if ``attempts`` of them run at once on the machine. Settings take precedence."""
    memory_mb = worker.memory_mb or _memory_mb(machine, attempts)
    threads = worker.threads or max(1, min(machine.processors // attempts, memory_mb // _THREAD_MB))
    temp_mb = worker.temp_mb
    if temp_mb is None:
        temp_mb = max(_MIN_TEMP_MB, (free_disk_mb(spill_folder) - min_free_mb) // (2 * attempts))
    return AttemptResources(memory_mb=memory_mb, threads=threads, temp_mb=temp_mb)


def _memory_mb(machine: Machine, attempts: int) -> int:
    memory = machine.memory_mb if machine.is_limited else machine.memory_mb // 2
    reserve = SERVER_MB + PROCESS_MB * attempts + memory // _CACHE_SHARE
    return max(_MIN_MEMORY_MB, (memory - reserve) // attempts)
