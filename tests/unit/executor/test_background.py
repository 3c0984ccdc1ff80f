"""A background thread ends with its block; an unexpected error does not end it earlier."""

from __future__ import annotations

import threading

import pytest
from structlog.testing import capture_logs

from offtake.executor import background
from offtake.executor.background import BackgroundThread


def test_a_defect_is_logged_without_its_text_and_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_RESTART_SECONDS", 0.0)
    runs, second = [0], threading.Event()

    def run() -> None:
        runs[0] += 1
        if runs[0] == 1:
            raise ValueError("a row of rita@acme.example")
        second.set()

    with capture_logs() as lines, BackgroundThread("pulse", run):
        assert second.wait(60)
    (line,) = lines
    assert (line["event"], line["thread"], line["error_class"]) == ("thread_defect", "pulse", "ValueError")
    assert "rita" not in str(line)


def test_the_wait_for_a_thread_counts_from_its_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    now, began, go_on = [100.0], threading.Event(), threading.Event()
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    waited: list[float | None] = []
    monkeypatch.setattr(threading.Thread, "join", lambda thread, timeout=None: waited.append(timeout))

    def hang() -> None:
        began.set()
        go_on.wait()

    with BackgroundThread("hanging", hang, join_seconds=5) as hanging:
        assert began.wait(60)
        hanging.stop()
        now[0] += 2
    with BackgroundThread("late", hang, join_seconds=5) as late:
        late.stop()
        now[0] += 7
    with BackgroundThread("unlimited", hang):
        pass
    go_on.set()
    assert waited == [3.0, 0.0, None]


def test_a_defect_at_the_end_of_the_block_ends_the_thread() -> None:
    began = threading.Event()

    class Failing(BackgroundThread):
        def __init__(self) -> None:
            super().__init__("failing", self._fail)

        def _fail(self) -> None:
            began.set()
            self._done.wait()
            raise ValueError

    with capture_logs(), Failing():
        assert began.wait(60)
    assert not [thread for thread in threading.enumerate() if thread.name == "failing"]
