"""Time and memory of a workbook, against other writers from PyPI, all with the same rows in one run."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from bench_result import Measurement
from uv_command import ROOT, run_uv

TIME_BUDGET, MEMORY_BUDGET_MB = 0.7, 350
GROWTH_BUDGET = 1.1  # of the peak, from the second of the three sizes to the third
OTHERS = ("rustpy-xlsxwriter", "jetxl", "xlsxwriter, constant memory", "openpyxl, write only")
# Columns of each type in turn: ids, text with and without nulls and markup, whole numbers, instants, and others.
_COLUMNS = (
    "'id-' || lpad(CAST((row * 7919 + {n}) % 10000019 AS VARCHAR), 10, '0')",
    "CASE WHEN row % 13 > 0 THEN 'Customer ' || (row * 31 + {n}) % 5003 END",
    "CASE WHEN (row + {n}) % 20 = 0 THEN 'Terms & conditions <' || row % 97 || '>' "
    "ELSE 'Question about order no. ' || (row * 17) % 9973 END",
    "(row * ({n} + 3)) % 5000",
    "TIMESTAMP '2026-01-01' + to_seconds(row + {n})",
    "CAST((row * ({n} + 7)) % 100000 / 37 AS DOUBLE)",
    "(row + {n}) % 3 = 0",
    "['voice', 'chat', 'email', 'social'][1 + (row + {n}) % 4]",
    "'Žluťoučký ' || (row * ({n} + 11)) % 7919",
    "CASE WHEN row % 5 > 0 THEN (row * ({n} + 5)) % 86400 END",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The size of a workbook, and the other writers that write it; slow writers skip the large sizes."""

    rows: int
    columns: int
    others: tuple[str, ...] = OTHERS

    def __str__(self) -> str:
        return f"{self.rows:,} × {self.columns}"


SIZES = (Size(rows=200_000, columns=20), Size(rows=1_000_000, columns=40, others=OTHERS[:3]))
# The smallest size ends before both threads have read ahead as far as they may, and is not compared.
FLAT = tuple(Size(rows=rows, columns=20, others=()) for rows in (300_000, 1_000_000, 3_000_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One workbook."""

    seconds: float
    processor: float
    peak_mb: float
    rows: int
    bytes: int


def measure(folder: Path, *, runs: int) -> Iterator[list[Measurement]]:
    """Measure all sizes; yield each group of results as it is available."""
    folder = folder.resolve()
    python = _others(folder)
    for size in SIZES:
        yield _compare(size, folder, python, runs=runs)
    yield [_flat(folder)]


def _others(folder: Path) -> Path:
    """Return the Python of an environment with the dependency group ``bench``, which is not part of the product."""
    environment = folder / "others"
    group = ("sync", "--quiet", "--locked", "--only-group", "bench", "--project", str(ROOT))
    run_uv(*group, UV_PROJECT_ENVIRONMENT=str(environment))
    return environment / "bin" / "python"


def _source(size: Size, folder: Path) -> Path:
    """Return a Parquet file of that size; it is written once. A session shows only rows of a tenant, so it has one."""
    path = folder / "tenant=bench" / f"rows-{size.rows}-{size.columns}.parquet"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = ", ".join(f"{_COLUMNS[n % len(_COLUMNS)].format(n=n)} AS column_{n}" for n in range(size.columns))
        made = path.with_suffix(".incomplete")
        rows = f"SELECT {columns} FROM range({size.rows}) AS t (row)"
        duckdb.connect().execute(f"COPY ({rows}) TO '{made}' (FORMAT parquet)")
        made.rename(path)
    return path


def _write(writer: str, size: Size, folder: Path, python: Path | str) -> Run:
    target = folder / "bench.xlsx"
    script = str(Path(__file__).with_name("bench_workbook.py"))
    try:
        done = subprocess.run(
            [str(python), script, writer, str(_source(size, folder)), str(target)], capture_output=True, check=True
        )
    finally:
        target.unlink(missing_ok=True)
    return Run(**json.loads(done.stdout))


def _compare(size: Size, folder: Path, python: Path, *, runs: int) -> list[Measurement]:
    """Run all writers in turn, so that other load on the machine affects each; the fast ones run ``runs`` times."""
    found: dict[str, list[Run]] = {}
    for turn in range(runs):
        found.setdefault("offtake", []).append(_write("offtake", size, folder, sys.executable))
        for other in size.others:
            if turn == 0 or other in OTHERS[:2]:
                found.setdefault(other, []).append(_write(other, size, folder, python))
    ours, theirs = found["offtake"], {name: found[name] for name in size.others}
    fastest = min(theirs, key=lambda name: _seconds(theirs[name]))
    return [
        Measurement(
            name=f"workbook, {size}: time",
            measured=_said(ours),
            against="; ".join(f"{name} {_said(those)}" for name, those in theirs.items()),
            value=_seconds(ours) / _seconds(theirs[fastest]),
            unit=f" × {fastest}",
            budget=TIME_BUDGET,
        ),
        Measurement(
            name=f"workbook, {size}: memory",
            measured=f"{_peak(ours):,.0f} MB, whole process; file {ours[0].bytes / 1e6:,.0f} MB",
            against="; ".join(f"{name} {_peak(those):,.0f} MB" for name, those in theirs.items()),
            value=_peak(ours),
            unit=" MB",
            budget=MEMORY_BUDGET_MB,
        ),
    ]


def _flat(folder: Path) -> Measurement:
    few, more, most = (_write("offtake", size, folder, sys.executable) for size in FLAT)
    return Measurement(
        name=f"workbook, {FLAT[2]}: memory",
        measured=f"{most.peak_mb:,.0f} MB, {most.seconds:.1f} s",
        against=f"{FLAT[0]}: {few.peak_mb:,.0f} MB; {FLAT[1]}: {more.peak_mb:,.0f} MB",
        value=most.peak_mb / more.peak_mb,
        unit=" ×",
        budget=GROWTH_BUDGET,
    )


def _seconds(runs: Sequence[Run]) -> float:
    return statistics.median(run.seconds for run in runs)


def _peak(runs: Sequence[Run]) -> float:
    return max(run.peak_mb for run in runs)


def _said(runs: Sequence[Run]) -> str:
    processor = statistics.median(run.processor for run in runs)
    return f"{_seconds(runs):.1f} s ({processor:.1f} s of processor)"
