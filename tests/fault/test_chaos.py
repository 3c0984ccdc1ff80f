"""Jobs under random kill -9 of workers and server: all end, none is lost, duplicated or damaged, and no file remains.

These runs are small; ``make chaos ARGS="--jobs 1000 --state postgresql --executor temporal"`` runs large ones.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.chaos import Plan, backend_settings, run_chaos, verify
from tests.fixtures.installation import Installation

# Fewer jobs where a restart takes longer.
SIZES = {
    ("sqlite", "workers"): Plan(jobs=40, kills=8, seed=20260301),
    ("postgresql", "workers"): Plan(jobs=18, kills=4, seed=20260302),
    ("postgresql", "temporal"): Plan(jobs=18, kills=4, seed=20260303),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("state", "executor"), SIZES)
def test_no_job_is_lost_or_duplicated_while_processes_are_killed(
    installation: Installation, request: pytest.FixtureRequest, tmp_path: Path, state: str, executor: str
) -> None:
    """Every job ends, whichever workers and servers are killed."""
    plan = SIZES[state, executor]
    server = request.getfixturevalue("postgresql") if state == "postgresql" else None
    with backend_settings(tmp_path, postgresql=server, temporal=executor == "temporal") as settings:
        installation.init(settings)
        with run_chaos(plan, installation) as run:
            totals = verify(run)
    assert totals.jobs >= plan.jobs
    assert run.kills.total() == plan.kills
    assert totals.attempts >= totals.files
