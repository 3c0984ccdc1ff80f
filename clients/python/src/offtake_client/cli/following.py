"""What the commands do while an export goes on: show its progress, and leave it or cancel it at Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from offtake_client import DialectJob, Export
from offtake_client.cli.exits import INTERRUPTED
from offtake_client.cli.output import Output


def follow(export: Export | DialectJob, output: Output) -> None:
    """Show the progress of an export until it has ended. Raises ExportFailed if it has no files."""
    with output.progress(f"{export.info.report}") as advance:
        for update in export.progress():
            position = f", {update.position} in the queue" if update.position else ""
            rows = f", {update.rows} rows" if update.rows is not None else ""
            total = None if update.percent is None else 100.0
            advance(update.percent or 0.0, total, f"{update.phase}{position}{rows}")
    export.wait()


@contextmanager
def left_running(export: Export | DialectJob, resume: str, output: Output, is_cancelled: bool) -> Iterator[None]:
    """At Ctrl-C, cancel the export, or say how to go on: with the command ``resume``."""
    try:
        yield
    except KeyboardInterrupt:
        if is_cancelled and export.refresh().is_open:
            export.cancel()
            output.note(f"Interrupted. The export {export.id} is cancelled.")
        else:
            output.note(f"Interrupted. The export {export.id} stays; go on with: {resume}")
        raise typer.Exit(INTERRUPTED) from None
