"""`make chaos`: many jobs over a real server while workers and the server are killed at random, then the proof.

The storm is that of ``tests/fault/test_chaos.py``, only larger. Everything happens in one folder that is made afresh;
a storm that went wrong leaves it there, with the database, the files and the logs of every server.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.fixtures.chaos import Plan, Proof, Storm, machinery, prove, raise_storm
from tests.fixtures.databases import KINDS, postgresql_server
from tests.fixtures.installation import Installation


def main() -> int:
    """Raise a storm; the exit code says whether everything was as promised."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 120)
    folder = Path(tempfile.mkdtemp(prefix="offtake-chaos-", dir=options.folder))
    plan = Plan(jobs=options.jobs, kills=options.kills or max(1, options.jobs // 8), seed=options.seed)
    try:
        storm, proof = _weathered(plan, options, folder)
    except AssertionError as error:
        console.print(f"The proof failed: {error}", style="bold red", markup=False, highlight=False)
        console.print(f"Everything is in {folder}.", markup=False, highlight=False)
        return 1
    console.print(_table(options, storm, proof))
    shutil.rmtree(folder)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100, help="jobs to order (default 100)")
    parser.add_argument("--kills", type=int, help="kills of workers and server (default: one for eight jobs)")
    parser.add_argument("--state", choices=KINDS, default="sqlite", help="database of the state")
    parser.add_argument("--executor", choices=("workers", "temporal"), default="workers", help="who runs jobs")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="what decides who is killed when")
    parser.add_argument("--folder", type=Path, help="where the folder of this storm is made (default: temporary)")
    return parser.parse_args()


def _weathered(plan: Plan, options: argparse.Namespace, folder: Path) -> tuple[Storm, Proof]:
    with ExitStack() as stack:
        (folder / "machinery").mkdir()
        server = None
        if options.state == "postgresql":
            (folder / "postgresql").mkdir()
            server = stack.enter_context(postgresql_server(folder / "postgresql"))
        temporal = options.executor == "temporal"
        settings = stack.enter_context(machinery(folder / "machinery", postgresql=server, temporal=temporal))
        installation = Installation(folder / "home")
        stack.callback(installation.close)
        installation.init(settings)
        with raise_storm(plan, installation) as storm:
            return storm, prove(storm)


def _table(options: argparse.Namespace, storm: Storm, proof: Proof) -> Table:
    plan = storm.plan
    table = Table(title=f"{options.state}, {options.executor}, seed {plan.seed}: none lost, none doubled, all whole")
    table.add_column("what")
    table.add_column("how many", justify="right")
    figures: dict[str, object] = {
        "jobs accepted, as customers know": len(storm.accepted),
        "orders whose answer was cut": storm.unheard,
        "jobs in the store, all ended": proof.jobs,
        **{f"  {status}": number for status, number in sorted(proof.statuses.items())},
        **{f"  failed: {code}": number for code, number in sorted(proof.failures.items())},
        "kills of workers": storm.kills["worker"],
        "kills of the server": storm.kills["server"],
        "attempts": proof.attempts,
        "attempts beyond the first": proof.retries,
        "most attempts at one job": proof.most_attempts,
        "leases taken back": proof.leases_lost,
        "files, each verified and equal to an undisturbed export": proof.files,
        "left over after the storm, and swept": proof.swept,
        "most jobs open at once": ", ".join(f"{name} {number}" for name, number in sorted(storm.most_open.items())),
        "seconds": f"{storm.seconds:.0f}",
    }
    for name, value in figures.items():
        table.add_row(name, str(value))
    return table


if __name__ == "__main__":
    raise SystemExit(main())
