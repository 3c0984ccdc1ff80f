"""Progress of an export in the native API, from the job and what earlier exports had."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from offtake.model.job import Job, Phase, Progress, Status
from offtake.wire.native.auth import NativeCall
from offtake.wire.native.encode import encode_export
from tests.fixtures.exports import NOON, queued

NOW = NOON + timedelta(seconds=30)
RUNNING = replace(queued(), status=Status.RUNNING, attempts=1, started_at=NOON)
KNOWN = replace(RUNNING, estimated_duration=timedelta(seconds=120), estimated_rows=1000)


def written(job: Job, rows: int) -> Job:
    return replace(job, progress=Progress(phase=Phase.WRITING, rows=rows))


@pytest.mark.parametrize(
    ("job", "phase", "rows", "percent"),
    [
        (RUNNING, "opening", None, None),
        (KNOWN, "opening", None, 25.0),
        (written(RUNNING, 400), "writing", 400, None),
        (written(KNOWN, 0), "writing", 0, 25.0),
        (written(KNOWN, 400), "writing", 400, 40.0),
        (written(KNOWN, 5000), "writing", 5000, 99.0),
        (replace(KNOWN, estimated_duration=timedelta(seconds=1)), "opening", None, 99.0),
    ],
)
def test_the_progress_of_a_running_export(job: Job, phase: str, rows: int | None, percent: float | None) -> None:
    on = SimpleNamespace(clock=lambda: NOW)
    call = cast(NativeCall, SimpleNamespace(on=on, absolute=lambda path: f"http://server{path}"))
    shown: Any = encode_export(job, call).progress
    assert (shown.phase, shown.rows, shown.percent) == (phase, rows, percent)
    assert shown.estimated_rows == job.estimated_rows
