"""The quota under 64 creators in 4 processes at once: 15 are accepted, never 16, on every database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from offtake.core.admin import identity
from offtake.model.tenant import Tenant
from offtake.store import job_queries
from tests.fixtures.databases import DATABASES, fresh_database, state_setting
from tests.fixtures.installation import Installation

ROOT = Path(__file__).parents[2]
PROCESSES, THREADS = 4, 16
QUOTA, ROUNDS = 15, 20


@pytest.fixture(params=DATABASES)
def home(request: pytest.FixtureRequest, installation: Installation) -> Installation:
    """A home with a tenant for each round."""
    is_sqlite = request.param == "sqlite"
    installation.init("" if is_sqlite else state_setting(fresh_database(request.getfixturevalue("postgresql"))))
    with installation.services() as on:
        for round_ in range(ROUNDS):
            identity.add_tenant(Tenant(name=f"round-{round_}"), on)
    return installation


@pytest.fixture
def creators(home: Installation) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that create exports for each tenant they read from standard input."""
    command = [sys.executable, "-m", "tests.fixtures.concurrent_creates", str(home.home), str(THREADS)]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ)
        for _ in range(PROCESSES)
    ]
    assert [read_line(process) for process in started] == ["ready"] * PROCESSES
    yield started
    for process in started:
        process.communicate(timeout=60)
        assert process.returncode == 0


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def test_of_64_concurrent_creates_in_4_processes_15_are_accepted(
    home: Installation, creators: list[subprocess.Popen[str]]
) -> None:
    for round_ in range(ROUNDS):
        for process in creators:
            tell(process, f"round-{round_}")
        assert sum(int(read_line(process)) for process in creators) == QUOTA
    with home.database() as database, database.read() as connection:
        counts = [job_queries.count_open(connection, tenant=f"round-{n}", dialect="talkdesk") for n in range(ROUNDS)]
    assert counts == [QUOTA] * ROUNDS
