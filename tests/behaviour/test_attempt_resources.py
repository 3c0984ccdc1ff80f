"""A server logs at its start which limits its attempts have, and its workers have the same ones."""

from __future__ import annotations

import psutil

from offtake.machine import read_machine
from tests.fixtures.installation import Installation


def test_the_server_divides_the_machine_between_its_workers(installation: Installation) -> None:
    installation.init("[worker]\nthreads = 3\n")
    machine = read_machine()
    memory = machine.memory_mb if machine.is_limited else machine.memory_mb // 2
    server = installation.serve(workers=3)
    (line,) = (line for line in server.log_lines() if line["event"] == "attempt_resources")
    assert line["memory_mb"] == max(256, (memory - 300 - 3 * 200 - memory // 8) // 3)
    assert (line["threads"], line["concurrent_attempts"]) == (3, 3)
    assert line["derived"] == ["memory_mb", "temp_mb"]
    commands = [child.cmdline() for child in psutil.Process(server.process.pid).children()]
    assert len(commands) == 3
    assert all(command[command.index("--workers") + 1] == "3" for command in commands)
    assert server.stop() == 0


def test_limits_that_are_not_set_are_shown_as_derived_from_the_machine(installation: Installation) -> None:
    installation.init("[worker]\nthreads = 3\n[server]\nworkers = 3\n")
    shown = installation.must("config", "show")
    found, machine = shown["attempt_resources"], read_machine()
    memory = machine.memory_mb if machine.is_limited else machine.memory_mb // 2
    assert (found["derived"], found["threads"], shown["worker"]["memory_mb"]) == (["memory_mb", "temp_mb"], 3, None)
    assert found["memory_mb"] == max(256, (memory - 300 - 3 * 200 - memory // 8) // 3)
    lines = installation.run("config", "show").stdout.splitlines()
    (line,) = (line for line in lines if line.startswith("# memory_mb = "))
    assert f"(not set: {found['memory_mb']}, from " in line
    assert f" of {machine.memory_mb} MiB" in line
    assert "for 3 concurrent attempts" in line
    assert "threads = 3" in lines
