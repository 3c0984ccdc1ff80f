"""The installed ``offtake`` command as a subprocess: single commands, and a server for the length of a block.

It uses the command line only, nothing of the package's code.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

OFFTAKE = str(Path(sys.executable).with_name("offtake"))
_LOG_LINES = 15


class CommandError(Exception):
    """A command or the server failed; the message names it and has what it printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server."""

    url: str
    pid: int


def run_visibly(*arguments: str) -> None:
    """Run a command with its output on the terminal."""
    code = subprocess.run([OFFTAKE, *arguments], check=False).returncode
    if code:
        raise CommandError(f"`offtake {' '.join(arguments)}` ended with exit code {code}.")


def run_for_json(*arguments: str, program: str = OFFTAKE, **environment: str) -> dict[str, Any]:
    """Run a command with ``--json`` and return the object it prints; the variables are added to the environment."""
    variables = {**os.environ, **environment}
    done = subprocess.run([program, *arguments, "--json"], check=False, capture_output=True, text=True, env=variables)
    if done.returncode:
        command = f"{Path(program).name} {' '.join(arguments)}"
        raise CommandError(f"`{command}` ended with exit code {done.returncode}:\n{done.stderr}")
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


@contextmanager
def serving(
    home: Path,
    log: Path,
    *,
    workers: int = 2,
    settings: Mapping[str, str] | None = None,
    timeout_seconds: float = 60,
    program: str = OFFTAKE,
) -> Iterator[Server]:
    """Run a server on a free port for the length of the block; it is ready when the block begins.

    Log lines go to ``log``; ``settings`` are added to the environment. SIGTERM stops the server. Raises CommandError
    when the server is not ready in time or its exit code is not 0.
    """
    arguments = [program, "serve", "--home", str(home), "--port", "0", "--workers", str(workers)]
    with log.open("wb") as lines:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=lines,
            text=True,
            env={**os.environ, **(settings or {})},
        )
        try:
            yield Server(url=_url(process, log, timeout_seconds), pid=process.pid)
        finally:
            code = _stop(process)
    if code:
        raise CommandError(f"The server ended with exit code {code}. {_log_tail(log)}")


def _url(process: subprocess.Popen[str], log: Path, timeout_seconds: float) -> str:
    """Return the address in the first line that the server prints. A thread reads it, so that the wait has a limit."""
    assert process.stdout is not None
    first: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_first, args=(process.stdout, first), daemon=True).start()
    try:
        line = first.get(timeout=timeout_seconds)
    except queue.Empty:
        raise CommandError(f"The server was not ready within {timeout_seconds:g} s. {_log_tail(log)}") from None
    if not line:
        raise CommandError(f"The server ended before it was ready. {_log_tail(log)}")
    url: str = json.loads(line)["url"]
    return url


def _read_first(stream: IO[str], first: queue.SimpleQueue[str]) -> None:
    with stream:
        first.put(stream.readline())
        for _ in stream:  # keep reading, because a full pipe blocks the server
            pass


def _stop(process: subprocess.Popen[str]) -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait() or os.EX_SOFTWARE


def _log_tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    return "\n".join([f"The end of {log}:", *lines])
