"""`make reference`: writes the pages of the manual that repeat what the code says. A test compares them with it.

With ``--check`` it writes nothing and fails if a page is not what it would write.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import typer.main

from offtake.cli import app
from offtake.cli.exits import EXITS
from offtake.settings import PREFIX, rows

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
_KINDS = {str: "TEXT", int: "INTEGER", Path: "PATH", datetime: "DATE"}
_GENERATED = "<!-- Made by `make reference` from the code; change it there. -->"


def cli_page() -> str:
    """Every command with its options, and the exit codes."""
    lines = [
        "# Commands and exit codes",
        "",
        _GENERATED,
        "",
        "`offtake COMMAND --help` says the same. Results go to standard output, as one JSON object with `--json`;"
        " progress, messages and logs go to standard error.",
    ]
    for name, command in _commands("offtake", typer.main.get_command(app)):
        lines += ["", f"## {name}", "", f"`{_usage(name, command)}`", "", (command.help or "").strip()]
        options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
        shown = [option for option in options if not option.hidden and option.name != "help"]
        lines += ["", "| option | meaning | default |", "| --- | --- | --- |"]
        lines += [f"| {_spelling(option)} | {_cell(option.help)} | {_default(option)} |" for option in shown]
    lines += ["", "## Exit codes", "", "| code | meaning |", "| --- | --- |"]
    lines += [f"| {code} | {meaning} |" for code, meaning in EXITS.items()]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """Every option of ``offtake.toml``."""
    lines = [
        "# Settings",
        "",
        _GENERATED,
        "",
        "Settings are in `offtake.toml` in the home folder, one table per section. The environment comes after the file"
        f" (`{PREFIX}WORKER__THREADS=4` is `threads` of `[worker]`), flags last."
        " `offtake config show` prints the values in force. An option that is not listed here stops the start.",
    ]
    section = ""
    for name, option, default, description, _ in rows():
        if name != section:
            lines += ["", f"## [{name}]", "", "| option | default | meaning |", "| --- | --- | --- |"]
            section = name
        shown = "" if default is None else f"`{json.dumps(default)}`"
        lines.append(f"| `{option}` | {shown} | {_cell(description)} |")
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {"cli.md": cli_page, "settings.md": settings_page}


def main() -> int:
    """Write the pages, or compare them."""
    stale = [name for name, page in PAGES.items() if _read(FOLDER / name) != page()]
    if "--check" in sys.argv[1:]:
        print("\n".join(f"docs/reference/{name} is out of date: make reference" for name in stale))
        return 1 if stale else 0
    for name in stale:
        (FOLDER / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"wrote docs/reference/{name}")
    return 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Every command that does something, groups left out."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, child in inner.items():
        yield from _commands(f"{name} {word}", child)


def _usage(name: str, command: Any) -> str:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    words = [argument.name.upper() + ("…" if argument.nargs == -1 else "") for argument in arguments]
    return " ".join([name, *words, "[OPTIONS]"])


def _spelling(option: Any) -> str:
    kind = "" if option.is_bool_flag else " " + _kind(option.type_descriptor.annotation)
    return f"`{'`, `'.join(option.opts)}{kind}`"


def _kind(annotation: Any) -> str:
    """How a value of that type is shown: its choices, or its type in a word."""
    inner = next(iter(get_args(annotation)), annotation)
    if issubclass(inner, Enum):
        return "\\|".join(member.value for member in inner)
    return _KINDS[inner]


def _default(option: Any) -> str:
    if option.required:
        return "required"
    if option.is_bool_flag or option.default in (None, ()):
        return ""
    return f"`{option.default}`"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
