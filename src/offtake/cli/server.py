"""``offtake serve`` and ``offtake worker``."""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from offtake.cli.options import DEFAULT_HOME, HomeOption
from offtake.home import Home
from offtake.logs import configure_logs
from offtake.settings import Settings, load_settings


def serve(
    home: HomeOption = DEFAULT_HOME,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: settings, else 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 selects a free one. Default: settings, else 8080.")] = None,
    workers: Annotated[int | None, typer.Option(help="Number of worker processes. Default: settings, else 2.")] = None,
) -> None:
    """Serve the APIs and run exports until SIGTERM or Ctrl-C; then drain downloads and running exports.

    Prints one JSON line {"url": "http://…"} on standard output when ready; logs go to standard error.
    """
    from offtake.server import serve as serve_home  # here: a worker needs no web framework

    flags = {"host": host, "port": port, "workers": workers}
    folder, settings = _open(home, {"server": {name: value for name, value in flags.items() if value is not None}})
    with folder.used():
        serve_home(folder, settings)
    _exit()


def worker(
    home: HomeOption = DEFAULT_HOME,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave exports with a long estimated duration to other workers.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(help="Number of workers that share this machine's memory and disk. Default: settings, else 2."),
    ] = None,
    name: Annotated[str | None, typer.Option(hidden=True)] = None,
    stop_with_input: Annotated[bool, typer.Option("--stop-with-input", hidden=True)] = False,
) -> None:
    """Run exports without serving the APIs: an additional worker on the same home. SIGTERM drains it."""
    from offtake.worker import run_worker

    folder, settings = _open(home, {"server": {} if workers is None else {"workers": workers}})
    name = name or str(uuid.uuid4())
    with folder.used():
        run_worker(folder, settings, name=name, stop_with_input=stop_with_input, quick=quick)
    _exit()


def _exit() -> NoReturn:
    """End the process without the interpreter's finalization, in which Temporal's library (1.35) can deadlock: it waits
    for a thread that waits for the interpreter. The caller has closed everything."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def _open(home: Path, flags: dict[str, dict[str, Any]]) -> tuple[Home, Settings]:
    folder = Home(home)
    folder.require()
    settings = load_settings(folder.settings, flags)
    configure_logs(settings.log.level)
    return folder, settings
