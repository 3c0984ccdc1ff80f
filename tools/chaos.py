"""`make chaos`: run many jobs while workers and the server are killed at random, then check that none was lost.

It is the run of ``tests/fault/test_chaos.py``, in any size. Each run creates a folder. After a failed run the folder
stays, with the database, the files and the logs of every server.
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

from tests.fixtures.chaos import ChaosRun, Plan, Totals, backend_settings, run_chaos, verify
from tests.fixtures.databases import DATABASES, postgresql_server
from tests.fixtures.installation import Installation


def main() -> int:
    """Run and check; exit code 0 when all checks pass."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 120)
    folder = Path(tempfile.mkdtemp(prefix="offtake-chaos-", dir=options.folder))
    plan = Plan(jobs=options.jobs, kills=options.kills or max(1, options.jobs // 8), seed=options.seed)
    try:
        run, totals = _run(plan, options, folder)
    except AssertionError as error:
        console.print(f"A check failed: {error}", style="bold red", markup=False, highlight=False)
        console.print(f"All files are in {folder}.", markup=False, highlight=False)
        return 1
    console.print(_table(options, run, totals))
    shutil.rmtree(folder)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100, help="jobs to create (default 100)")
    parser.add_argument("--kills", type=int, help="kills of workers and server (default: one per eight jobs)")
    parser.add_argument("--state", choices=DATABASES, default="sqlite", help="database of the state")
    parser.add_argument("--executor", choices=("workers", "temporal"), default="workers", help="what dispatches jobs")
    parser.add_argument(
        "--seed", type=int, default=time.time_ns() % 1_000_000, help="seed of the kills (default: random)"
    )
    parser.add_argument("--folder", type=Path, help="parent of the run's folder (default: temporary)")
    return parser.parse_args()


def _run(plan: Plan, options: argparse.Namespace, folder: Path) -> tuple[ChaosRun, Totals]:
    with ExitStack() as stack:
        (folder / "backends").mkdir()
        server = None
        if options.state == "postgresql":
            (folder / "postgresql").mkdir()
            server = stack.enter_context(postgresql_server(folder / "postgresql"))
        temporal = options.executor == "temporal"
        settings = stack.enter_context(backend_settings(folder / "backends", postgresql=server, temporal=temporal))
        installation = Installation(folder / "home")
        stack.callback(installation.close)
        installation.init(settings)
        with run_chaos(plan, installation) as run:
            return run, verify(run)


def _table(options: argparse.Namespace, run: ChaosRun, totals: Totals) -> Table:
    plan = run.plan
    table = Table(title=f"{options.state}, {options.executor}, seed {plan.seed}: none lost, duplicated or damaged")
    table.add_column("measure")
    table.add_column("value", justify="right")
    values: dict[str, object] = {
        "jobs accepted": len(run.accepted),
        "create requests whose response was cut": run.unconfirmed,
        "jobs in the store, all ended": totals.jobs,
        **{f"  {status}": number for status, number in sorted(totals.statuses.items())},
        **{f"  failed: {code}": number for code, number in sorted(totals.failures.items())},
        "kills of workers": run.kills["worker"],
        "kills of the server": run.kills["server"],
        "attempts": totals.attempts,
        "attempts beyond the first": totals.retries,
        "most attempts at one job": totals.most_attempts,
        "leases rescued": totals.leases_lost,
        "files, each equal to that of an export without kills": totals.files,
        "orphaned files, swept": totals.swept,
        "most jobs open at once": ", ".join(f"{name} {number}" for name, number in sorted(run.most_open.items())),
        "seconds": f"{run.seconds:.0f}",
    }
    for name, value in values.items():
        table.add_row(name, str(value))
    return table


if __name__ == "__main__":
    raise SystemExit(main())
