"""`make bench` measures every figure and compares the same rows; no test asserts the values."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "bench.py"


def test_the_bench_measures_everything_it_promises(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [
        sys.executable,
        str(TOOL),
        "--calls",
        "500",
        "--runs",
        "1",
        "--seconds",
        "1",
        "--folder",
        str(tmp_path / "bench"),
    ]
    done = subprocess.run([*command, "--json", str(figures)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {figure["what"]: figure for figure in json.loads(figures.read_text("utf-8"))}
    exports = [what for what in found if what.startswith("export ")]
    assert sorted(what.split()[1].rstrip(",") for what in exports) == sorted(2 * ["csv", "json", "json_bulk"])
    assert {what.partition(",")[0] for what in found} - {what.partition(",")[0] for what in exports} == {
        "queued → running",
        "status poll",
        "download",
        "create",
    }
    assert all(figure["measured"] for figure in found.values())
