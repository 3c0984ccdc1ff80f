"""Ordinary exports of a middle-sized account succeed with the least memory that the settings allow."""

from __future__ import annotations

from pathlib import Path

from bench_sweep import Sweep, measure


def test_conversation_exports_succeed_with_128_mebibytes(tmp_path: Path) -> None:
    """`make bench ARGS=--sweep` runs the same with up to 3 million conversations in other shapes."""
    sweep = Sweep(sizes=(20_000,), memories=(128,), shapes=("sample",), formats=("json",))
    (found,) = measure(tmp_path, sweep)
    assert found.within, found.measured
