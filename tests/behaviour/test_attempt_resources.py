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
