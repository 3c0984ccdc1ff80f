"""A worker whose attempt ignores its interrupts logs this and ends its process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import threading
from datetime import timedelta
from types import SimpleNamespace

from offtake.core.attempt.cancellation import Cancellation, CancelReason
from offtake.core.attempt.progress import AttemptProgress
from offtake.executor import lease_heartbeat
from offtake.executor.shutdown import Shutdown

lease_heartbeat._STUCK_SECONDS = 0.0
cancellation = Cancellation()
cancellation.request(CancelReason.LEASE_LOST)
on = SimpleNamespace(attempt=SimpleNamespace(heartbeat=timedelta(hours=1)))
lease = SimpleNamespace(job=SimpleNamespace(id="the job"))
shutdown, progress = Shutdown(timedelta(hours=1)), AttemptProgress()
with lease_heartbeat.LeaseHeartbeat(lease, on, cancellation=cancellation, progress=progress, shutdown=shutdown):
    threading.Event().wait()  # ignores every interrupt
"""


def test_a_hanging_worker_ends_its_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 70, done.stderr
    assert "attempt_stuck" in done.stdout + done.stderr
    assert "the job" in done.stdout + done.stderr
