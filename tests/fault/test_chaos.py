"""Jobs under random kill -9 of workers and server: all end, none is lost, doubled or damaged, and nothing is left over.

These are small storms; ``make chaos ARGS="--jobs 1000 --state postgresql --executor temporal"`` raises large ones.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.chaos import Plan, machinery, prove, raise_storm
from tests.fixtures.installation import Installation

# The more a machinery costs to start again, the fewer.
SIZES = {
    ("sqlite", "workers"): Plan(jobs=40, kills=8, seed=20260301),
    ("postgresql", "workers"): Plan(jobs=18, kills=4, seed=20260302),
    ("postgresql", "temporal"): Plan(jobs=18, kills=4, seed=20260303),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("state", "executor"), SIZES)
def test_of_jobs_in_a_storm_none_is_lost_or_doubled(
    installation: Installation, request: pytest.FixtureRequest, tmp_path: Path, state: str, executor: str
) -> None:
    """No end of a worker or a server leaves a job open for ever."""
    plan = SIZES[state, executor]
    server = request.getfixturevalue("postgresql") if state == "postgresql" else None
    with machinery(tmp_path, postgresql=server, temporal=executor == "temporal") as settings:
        installation.init(settings)
        with raise_storm(plan, installation) as storm:
            proof = prove(storm)
    assert proof.jobs >= plan.jobs
    assert storm.kills.total() == plan.kills
    assert proof.attempts >= proof.files
