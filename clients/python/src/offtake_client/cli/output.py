"""The output of all commands: results on standard output, progress and messages on standard error.

Results are tables and lines for people, or one JSON object (``--json``). ``--quiet`` omits messages and progress. There
are progress bars only on a terminal.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MAX_WIDTH = 10_000  # characters
Advance = Callable[[float, "float | None", str], None]  # done, total (None: unknown), text


def printable(text: str) -> str:
    """Return a text with control characters escaped: a terminal must not interpret what a server sent."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def as_json(value: object) -> Any:
    """Return a value of the library as JSON has it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: as_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, (datetime, Path)):
        return value.isoformat() if isinstance(value, datetime) else str(value)
    return value


@dataclasses.dataclass(frozen=True)
class Output:
    """How one command prints."""

    json: bool = False
    quiet: bool = False

    def result(self, value: object, *lines: str) -> None:
        """Print the result: as JSON, or the lines."""
        if self.json:
            sys.stdout.write(json.dumps(as_json(value), ensure_ascii=False) + "\n")
        else:
            sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))

    def table(self, value: object, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table. Piped output is never cut."""
        if self.json:
            self.result(value)
            return
        shown = Table(*columns, box=None, pad_edge=False)
        for row in rows:
            shown.add_row(*("" if cell is None else printable(str(cell)) for cell in row))
        console = Console(highlight=False, markup=False)
        if not console.is_terminal:
            console.width = console.measure(shown, options=console.options.update(max_width=_MAX_WIDTH)).maximum
        console.print(shown)

    def note(self, text: str) -> None:
        """Print a message for people."""
        if not self.quiet:
            sys.stderr.write(f"{printable(text)}\n")

    @contextmanager
    def progress(self, title: str) -> Iterator[Advance]:
        """Show a bar while the block runs; the block reports what is done."""
        columns = (SpinnerColumn(), TextColumn(title, markup=False), BarColumn(), TextColumn("{task.fields[text]}"))
        console = Console(stderr=True)
        is_shown = console.is_terminal and not self.quiet
        with Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=not is_shown) as bars:
            task = bars.add_task(title, total=None, text="")
            yield lambda done, total, text: bars.update(task, completed=done, total=total, text=printable(text))


def size(count: int | None) -> str:
    """Return a number of bytes for people."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
