"""`make bench` runs every measurement and compares the same rows; no test asserts the values."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "bench.py"


def test_the_bench_runs_every_measurement(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    options = ["--calls", "500", "--runs", "1", "--seconds", "1", "--folder", str(tmp_path / "bench")]
    command = [sys.executable, str(TOOL), *options]
    done = subprocess.run([*command, "--json", str(results)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {result["name"]: result for result in json.loads(results.read_text("utf-8"))}
    exports = [name for name in found if name.startswith("export ")]
    assert sorted(name.split()[1].rstrip(",") for name in exports) == sorted(
        2 * ["csv", "json", "json_bulk", "parquet"]
    )
    assert {name.partition(",")[0] for name in found} - {name.partition(",")[0] for name in exports} == {
        "queued → running",
        "status poll",
        "native status poll",
        "small export with Prefer: wait",
        "download",
        "create",
        "preview",
    }
    assert all(result["measured"] for result in found.values())
