"""The built distributions, installed into empty environments. `make wheels` does the same on each supported Python."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from distributions import DistributionError, Environment, build, check_files, use
from uv_command import ROOT


def test_the_wheels_work_outside_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of a first run, to a verified download; any access to a file of the checkout fails."""
    for variable in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE"):  # without bytecode, each command takes seconds more
        monkeypatch.delenv(variable, raising=False)
    built = build(tmp_path / "dist")
    check_files(built)
    (line,) = use(built, [sys.executable], [sys.executable], tmp_path)
    assert line.endswith(".parquet, verified")
    server = Environment(tmp_path / f"server-{Path(sys.executable).name}" / "environment")
    with pytest.raises(DistributionError, match="an installed program reads the checkout"):
        server.run("python", "-c", f"open({str(ROOT / 'README.md')!r})")
