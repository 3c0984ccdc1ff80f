"""A command imports the libraries that it needs and no others, because imports take most of the time of a start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from offtake.cli.command_table import COMMANDS, LazyCommands
from tests.fixtures.installation import Installation

WEB = frozenset({"fastapi", "starlette", "uvicorn"})
LAKE = frozenset({"duckdb", "deltalake", "obstore", "pyarrow"})
STATE = frozenset({"sqlalchemy", "psycopg", "alembic"})
RUN = """
import sys
from offtake.cli import main
try:
    main()
finally:
    print("", *{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def imported(code: str, *arguments: str, home: Path) -> set[str]:
    """Run code in a process of its own and return the packages that it names on standard error."""
    environment = {**os.environ, "OFFTAKE_HOME": str(home)}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    ("command", "unneeded"),
    [
        ("--version", WEB | LAKE | STATE),
        ("--help", WEB | LAKE | STATE),
        ("tables list", WEB | STATE | {"duckdb", "deltalake", "obstore"}),
        ("config show", WEB | {"alembic"}),
        ("credential add acme --kind oauth", WEB | {"alembic"}),
        ("report list", WEB | {"alembic"}),
        ("share list acme", WEB | {"alembic"}),
    ],
)
def test_a_command_imports_no_library_that_it_does_not_need(
    command: str, unneeded: frozenset[str], installation: Installation
) -> None:
    installation.init()
    installation.add_tenant("acme")
    found = imported(RUN, *command.split(), home=installation.home)
    assert "typer" in found
    assert found & unneeded == set()


def test_a_worker_imports_no_web_framework(tmp_path: Path) -> None:
    found = imported("import sys, offtake.worker; print(*sys.modules, file=sys.stderr)", home=tmp_path)
    assert {"duckdb", "deltalake"} <= found
    assert found & (WEB | {"alembic", "temporalio"}) == set()


def test_the_help_of_the_program_gives_the_first_sentence_of_each_command() -> None:
    own = {name: command.get_short_help_str(limit=200) for name, command in LazyCommands().items()}
    assert own == {name: entry.summary for name, entry in COMMANDS.items()}
